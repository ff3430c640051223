import opentelemetry.semconv._incubating.attributes.messaging_attributes as conventions
import pytest

from fourones_shared.tracing import names

STABLE = {
    names.HTTP_METHOD, names.HTTP_ROUTE, names.HTTP_STATUS, names.URL_PATH, names.URL_SCHEME, names.DB_SYSTEM,
    names.DB_NAMESPACE, names.DB_OPERATION, names.DB_STATUS, names.SERVER_ADDRESS, names.SERVER_PORT,
}  # fmt: skip
MESSAGING = {
    names.MESSAGING_SYSTEM, names.OPERATION_NAME, names.OPERATION_TYPE, names.DESTINATION, names.PARTITION,
    names.OFFSET, names.GROUP, names.MESSAGE_ID, names.MESSAGES,
}  # fmt: skip


def test_messages_are_told_by_the_names_of_the_conventions():
    known = {value for name, value in vars(conventions).items() if name.startswith("MESSAGING_")}

    assert known >= MESSAGING


def test_every_attribute_of_a_span_is_of_a_convention_or_declared_as_our_own():
    used = frozenset().union(*(definition.attributes for definition in names.SPANS))

    assert used == STABLE | MESSAGING | names.OWN_ATTRIBUTES.keys()
    assert all(name.startswith("fourones.") for name in names.OWN_ATTRIBUTES)


@pytest.mark.parametrize("definition", names.SPANS, ids=lambda definition: definition.name[0])
def test_no_two_kinds_of_span_can_bear_one_name(definition):
    attributes = dict.fromkeys(definition.attributes, "x")
    others = [other for other in names.SPANS if other is not definition]

    assert definition.named(attributes) not in {other.named(dict.fromkeys(other.attributes, "x")) for other in others}
    assert definition.says
