from fourones_shared.database.migrate import run_migrations
from fourones_submission.tables import Table

run_migrations(Table.metadata)
