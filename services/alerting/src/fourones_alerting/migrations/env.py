from fourones_alerting.tables import Table
from fourones_shared.database.migrate import run_migrations

run_migrations(Table.metadata)
