// Drives the official Go client of Consul through what its users do, and prints what it saw as JSON.
// Usage: go-client BASE_URL NAME
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/consul/api"
)

type sight map[string]any

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ids(entries []*api.ServiceEntry) []string {
	found := []string{}
	for _, entry := range entries {
		found = append(found, entry.Service.ID)
	}
	return found
}

func passing(client *api.Client, name string) []string {
	entries, _, err := client.Health().Service(name, "", true, nil)
	check(err)
	return ids(entries)
}

func agent(client *api.Client, name string, seen sight) {
	agent := client.Agent()
	check(agent.ServiceRegisterOpts(&api.AgentServiceRegistration{
		ID: name + "-1", Name: name, Address: "10.0.0.1", Port: 80, Tags: []string{"blue"},
		Meta:    map[string]string{"zone": "a"},
		Weights: &api.AgentWeights{Passing: 7, Warning: 3},
		Check:   &api.AgentServiceCheck{TTL: "1m", DeregisterCriticalServiceAfter: "10m"},
	}, api.ServiceRegisterOpts{ReplaceExistingChecks: true}))
	check(agent.ServiceRegister(&api.AgentServiceRegistration{ID: name + "-2", Name: name, Port: 81}))

	seen["services"] = must(agent.Services())[name+"-1"]
	seen["filtered"] = len(must(agent.ServicesWithFilter(fmt.Sprintf("Service == %q and Port == 81", name))))
	service, meta, err := agent.Service(name+"-1", nil)
	check(err)
	seen["hash"] = service.ContentHash != "" && service.ContentHash == meta.LastContentHash

	seen["before"] = passing(client, name)
	check(agent.UpdateTTL("service:"+name+"-1", "up", api.HealthPassing))
	seen["check"] = must(agent.Checks())["service:"+name+"-1"]
	seen["after"] = passing(client, name)
	status, infos, err := agent.AgentHealthServiceByName(name)
	check(err)
	seen["health"] = []any{status, len(infos)}

	check(agent.EnableServiceMaintenance(name+"-1", "upgrade"))
	seen["maintenance"] = passing(client, name)
	checks, _, err := client.Health().Checks(name, nil)
	check(err)
	seen["aggregated"] = checks.AggregatedStatus()
	check(agent.DisableServiceMaintenance(name + "-1"))

	self := must(agent.Self())
	members := must(agent.Members(false))
	seen["itself"] = []any{self["Config"]["Datacenter"], self["Config"]["NodeName"] == members[0].Name, members[0].Status}
	seen["leader"] = must(client.Status().Leader())
	seen["refused"] = fmt.Sprint(agent.ServiceRegister(&api.AgentServiceRegistration{
		Name: name, Check: &api.AgentServiceCheck{TTL: "soon"},
	}))
	seen["unknown"] = agent.UpdateTTL("service:nobody", "", api.HealthPassing) != nil
}

func catalog(client *api.Client, name string, seen sight) {
	node := name + "-node"
	registration := &api.CatalogRegistration{
		Node: node, Address: "10.9.8.7", NodeMeta: map[string]string{"rack": "r1"},
		Service: &api.AgentService{ID: name + "-3", Service: name, Port: 83},
		Checks: api.HealthChecks{{
			CheckID: "up", Name: "up", Status: api.HealthPassing, ServiceID: name + "-3",
			Definition: api.HealthCheckDefinition{IntervalDuration: 10 * time.Second, TCP: "10.9.8.7:83"},
		}},
	}
	must(client.Catalog().Register(registration, nil))
	found, _, err := client.Catalog().Node(node, nil)
	check(err)
	seen["node"] = []any{found.Node.Address, found.Node.Meta["rack"], found.Services[name+"-3"].Port}
	rows, meta, err := client.Catalog().Service(name, "", &api.QueryOptions{Filter: "ServicePort == 83"})
	check(err)
	seen["catalog"] = []any{len(rows), rows[0].ServiceID, meta.LastIndex > 0, meta.KnownLeader}
	checks, _, err := client.Health().Node(node, nil)
	check(err)
	seen["definition"] = []any{checks[0].Definition.IntervalDuration.String(), checks[0].Definition.TCP}
	services, _, err := client.Catalog().Services(&api.QueryOptions{NodeMeta: map[string]string{"rack": "r1"}})
	check(err)
	_, listed := services[name]
	seen["listed"] = listed
	must(client.Catalog().Deregister(&api.CatalogDeregistration{Node: node}, nil))
	found, _, err = client.Catalog().Node(node, nil)
	check(err)
	seen["gone"] = found == nil
	seen["datacenters"] = must(client.Catalog().Datacenters())
}

// Follows a service by blocking reads while another goroutine changes it.
func blocking(client *api.Client, name string, seen sight) {
	entries, meta, err := client.Health().Service(name, "", true, nil)
	check(err)
	watched := [][]string{ids(entries)}
	changes := []func() error{
		func() error { return client.Agent().UpdateTTL("service:"+name+"-1", "down", api.HealthCritical) },
		func() error { return client.Agent().ServiceDeregister(name + "-2") },
	}
	for _, change := range changes {
		failed := make(chan error, 1)
		go func() { failed <- change() }()
		options := &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 10 * time.Second}
		entries, meta, err = client.Health().Service(name, "", true, options)
		check(err)
		check(<-failed)
		watched = append(watched, ids(entries))
	}
	seen["watched"] = watched

	options := &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 200 * time.Millisecond}
	began := time.Now()
	_, again, err := client.Health().Service(name, "", true, options)
	check(err)
	seen["waited"] = time.Since(began) >= 200*time.Millisecond && again.LastIndex == meta.LastIndex
	check(client.Agent().ServiceDeregister(name + "-1"))
}

func main() {
	config := api.DefaultConfig()
	config.Address = os.Args[1]
	client := must(api.NewClient(config))
	seen := sight{}
	agent(client, os.Args[2], seen)
	catalog(client, os.Args[2], seen)
	blocking(client, os.Args[2], seen)
	fmt.Println(string(must(json.Marshal(seen))))
}
