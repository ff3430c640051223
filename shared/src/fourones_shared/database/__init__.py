"""PostgreSQL: engines, the columns every service's tables share, and migrations."""
