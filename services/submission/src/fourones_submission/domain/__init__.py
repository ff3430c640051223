"""What may be reported: the rules of a submission. Values in, values out."""
