// Drives the npm `consul` client through what its users do, and prints what it saw as one JSON object.
// Usage: node exercise.js HOST PORT NAME
"use strict";

const Consul = require("consul");
const { on } = require("events");

const [host, port, name] = process.argv.slice(2);
const consul = new Consul({ host, port: Number(port) });
const seen = {};

const ids = (entries) => entries.map((entry) => entry.Service.ID);

async function agent() {
  const ttl = { name, id: `${name}-1`, address: "10.0.0.1", port: 80, tags: ["blue"], check: { ttl: "1m" } };
  await consul.agent.service.register(ttl);
  await consul.agent.service.register({ name, id: `${name}-2`, port: 81, meta: { zone: "b" } });
  seen.services = (await consul.agent.services())[`${name}-1`];
  seen.before = ids(await consul.health.service({ service: name, passing: true }));
  await consul.agent.check.pass({ id: `service:${name}-1`, note: "up" });
  seen.check = (await consul.agent.checks())[`service:${name}-1`];
  seen.after = ids(await consul.health.service({ service: name, passing: true }));
  seen.tagged = ids(await consul.health.service({ service: name, tag: "blue" }));

  await consul.agent.service.maintenance({ id: `${name}-1`, enable: true, reason: "upgrade" });
  seen.maintenance = ids(await consul.health.service({ service: name, passing: true }));
  await consul.agent.service.maintenance({ id: `${name}-1`, enable: false });

  await consul.agent.check.register({ name: "disk", id: `${name}-disk`, serviceid: `${name}-2`, ttl: "1m" });
  await consul.agent.check.warn(`${name}-disk`);
  seen.checks = (await consul.health.checks(name)).map((check) => [check.CheckID, check.Status]);
  await consul.agent.check.deregister(`${name}-disk`);

  const self = await consul.agent.self();
  const members = await consul.agent.members();
  seen.itself = [self.Config.Datacenter, self.Config.NodeName === members[0].Name, members[0].Status];
}

async function catalog() {
  const service = { service: name, id: `${name}-3`, port: 83 };
  await consul.catalog.register({ node: `${name}-node`, address: "10.9.8.7", service });
  seen.catalog = (await consul.catalog.service.nodes(name)).map((row) => [row.ServiceID, row.Address]);
  seen.tags = (await consul.catalog.service.list())[name];
  seen.node = Object.keys((await consul.catalog.node.services(`${name}-node`)).Services);
  await consul.catalog.deregister(`${name}-node`);
  seen.gone = (await consul.catalog.node.list()).some((node) => node.Node === `${name}-node`);
  seen.datacenters = await consul.catalog.datacenters();
  seen.leader = (await consul.status.peers()).includes(await consul.status.leader());
}

// A watch reports the present state first, then each change; the change is made when it has reported.
async function watch() {
  const options = { service: name, passing: true, wait: "10s" };
  const watcher = consul.watch({ method: consul.health.service, options });
  const changes = [
    () => consul.agent.check.fail(`service:${name}-1`),
    () => consul.agent.service.deregister(`${name}-2`),
  ];
  seen.watched = [];
  for await (const [entries] of on(watcher, "change")) {
    seen.watched.push(ids(entries));
    const change = changes.shift();
    if (!change) break;
    await change();
  }
  watcher.end();
}

async function refusals() {
  const refused = async (call) => call.then(() => null, (error) => [error.statusCode, error.message]);
  seen.refused = await refused(consul.agent.service.register({ name: "x", check: { ttl: "soon" } }));
}

async function main() {
  for (const part of [agent, catalog, watch, refusals]) await part();
  await consul.agent.service.deregister(`${name}-1`);
  console.log(JSON.stringify(seen));
  process.exit(0); // the last read of the watch is still parked
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
