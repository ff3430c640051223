"""What operators type, beside the service's processes."""
