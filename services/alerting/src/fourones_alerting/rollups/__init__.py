"""The roll-ups this service has received: every version kept, the newest of each at hand."""
