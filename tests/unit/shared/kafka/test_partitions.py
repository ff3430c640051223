import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import DefaultPartitioner

from fourones_shared.kafka.outbox import partition_for
from fourones_shared.kafka.outbox_table import OutboxTable


class _Cluster:
    """As much of the client's metadata as its partitioner asks for."""

    def __init__(self, partitions: int) -> None:
        self._partitions = set(range(partitions))

    def partitions_for_topic(self, _: str) -> set[int]:
        return self._partitions

    def available_partitions_for_topic(self, _: str) -> set[int]:
        return self._partitions


@given(st.binary(max_size=60), st.integers(1, 48))
def test_a_key_goes_where_kafkas_own_partitioner_puts_it(key: bytes, partitions: int) -> None:
    default = DefaultPartitioner().partition("figures-submitted", key, key, b"", b"", _Cluster(partitions))

    assert partition_for(key, partitions) == default


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
