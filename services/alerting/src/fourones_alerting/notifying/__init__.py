"""Tells departments and operators what became of their targets."""
