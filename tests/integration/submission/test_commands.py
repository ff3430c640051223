import os
import subprocess
import sys

from alembic.script import ScriptDirectory
from kafka import KafkaAdminClient

from fourones_shared.database.migrate import alembic_config
from fourones_shared.topics import all_topics


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fourones_submission", *arguments]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_database_is_migrated_as_often_as_one_likes(database_url: str):
    newest = ScriptDirectory.from_config(alembic_config("fourones_submission", database_url)).get_current_head()
    for _ in range(2):
        done = run("migrate", FOURONES_DATABASE_URL=database_url)
        assert done.returncode == 0, done.stderr
        assert f'"revision": "{newest}"' in done.stdout
    password = database_url.split("@", maxsplit=1)[0].rpartition(":")[2]
    assert password not in done.stdout + done.stderr


def test_all_topics_are_made_and_found_again(kafka_bootstrap: str, topic_prefix: str):
    settings = {
        "FOURONES_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1/none",
        "FOURONES_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "FOURONES_TOPIC_PREFIX": topic_prefix,
    }
    for _ in range(2):
        assert run("topics", **settings).returncode == 0
    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    assert {topic_prefix + name for name in all_topics()} <= set(admin.list_topics())
    admin.close()


def test_a_broker_that_stays_away_is_given_up_with_a_clear_word():
    away = {
        "FOURONES_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1/none",
        "FOURONES_KAFKA_BOOTSTRAP": "127.0.0.1:9",
    }
    done = run("topics", "--wait", "0", **away)
    assert done.returncode == 1
    assert "gave up waiting for the broker" in done.stdout
