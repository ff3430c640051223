from decimal import Decimal

from fourones_aggregation.arrays import booleans, numbers, texts


def test_texts_of_any_content_are_quoted() -> None:
    assert texts(["a,b", 'say "no"', "back\\slash", "{}", None, "NULL", ""]) == (
        '{"a,b","say \\"no\\"","back\\\\slash","{}",NULL,"NULL",""}'
    )


def test_what_postgresql_cannot_keep_is_replaced() -> None:
    assert texts(["a\0b"]) == '{"a\ufffdb"}'


def test_numbers_and_booleans() -> None:
    assert numbers([1, Decimal("0.10"), None]) == "{1,0.10,NULL}"
    assert booleans([True, False]) == "{t,f}"
    assert numbers([]) == "{}"
