"""What the service keeps in PostgreSQL, and the transactions that change it."""
