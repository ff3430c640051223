import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourones_shared.kafka.outbox import partition_for
from fourones_shared.kafka.outbox_table import OutboxTable


@given(st.binary(max_size=60), st.integers(1, 48))
def test_every_key_has_one_partition_among_those_there_are(key: bytes, partitions: int) -> None:
    assert partition_for(key, partitions) == partition_for(key, partitions)
    assert 0 <= partition_for(key, partitions) < partitions


# The hashes that Kafka's own UtilsTest expects of murmur2, cut to 31 bits.
@pytest.mark.parametrize(
    ("key", "java"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_it_is_the_hash_of_the_java_client(key: bytes, java: int) -> None:
    assert partition_for(key, 12) == (java & 0x7FFFFFFF) % 12


@pytest.mark.parametrize("name", ["outbox; DROP TABLE figure", "", "public.outbox", 'out"box'])
def test_a_name_that_is_no_tables_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no table's name"):
        OutboxTable(name)
