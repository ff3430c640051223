"""The command for users of the API: submit, follow, check and apply."""
