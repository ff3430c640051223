import socket
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fourones_local.ports import DEFAULT_PORTS, choose_ports, free_port, is_free, load_ports, save_ports


def test_a_first_start_takes_the_default_ports() -> None:
    assert choose_ports(DEFAULT_PORTS, free=lambda _: True) == dict(DEFAULT_PORTS)


def test_a_taken_port_gives_way_to_a_free_one_and_the_others_stay() -> None:
    chosen = choose_ports(["submission-api", "postgres"], free=lambda port: port != 8001)

    assert chosen["submission-api"] not in DEFAULT_PORTS.values()
    assert chosen["postgres"] == 15432


def test_a_second_start_keeps_the_ports_of_the_first() -> None:
    assert choose_ports(["kafka"], {"kafka": 23456}, free=lambda _: True) == {"kafka": 23456}


def test_a_remembered_port_that_something_else_took_gives_way_to_the_default() -> None:
    assert choose_ports(["kafka"], {"kafka": 23456}, free=lambda port: port != 23456) == {"kafka": 19092}


def test_a_stack_on_free_ports_leaves_the_defaults_alone_and_remembers_its_own() -> None:
    first = choose_ports(DEFAULT_PORTS, free_ports=True, free=lambda _: True)

    assert not set(first.values()) & set(DEFAULT_PORTS.values())
    assert choose_ports(DEFAULT_PORTS, first, free_ports=True, free=lambda _: True) == first


@given(
    remembered=st.dictionaries(st.sampled_from(list(DEFAULT_PORTS)), st.sampled_from(list(DEFAULT_PORTS.values()))),
    taken=st.sets(st.sampled_from(list(DEFAULT_PORTS.values()))),
    free_ports=st.booleans(),
)
def test_chosen_ports_are_distinct_and_free(remembered: dict[str, int], taken: set[int], free_ports: bool) -> None:
    chosen = choose_ports(DEFAULT_PORTS, remembered, free_ports=free_ports, free=lambda port: port not in taken)

    assert chosen.keys() == DEFAULT_PORTS.keys()
    assert len(set(chosen.values())) == len(chosen)
    assert not set(chosen.values()) & taken


def test_a_port_is_free_until_something_listens_on_it() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)


def test_the_choice_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    assert load_ports(file) == {}

    save_ports(file, {"kafka": 19092})

    assert load_ports(file) == {"kafka": 19092}
