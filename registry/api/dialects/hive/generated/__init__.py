"""What protoc makes of `service_registry.proto`; `scripts/protos` writes it anew."""
