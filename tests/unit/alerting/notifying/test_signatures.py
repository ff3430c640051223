"""Signatures against values that were computed elsewhere (`openssl dgst -sha256 -hmac`)."""

from fourones_alerting.notifying.channels import dingtalk, feishu


def test_dingtalk_signs_timestamp_and_secret_keyed_by_the_secret() -> None:
    # printf '1756800000000\nSECabc' | openssl dgst -sha256 -hmac SECabc -binary | base64
    assert dingtalk.signature("1756800000000", "SECabc") == "iUY2BLatVtiDDbzzpn7fIS5j7oGsEfXTdrOwvSv/PG0="


def test_feishu_signs_nothing_keyed_by_timestamp_and_secret() -> None:
    # printf '' | openssl dgst -sha256 -hmac "$(printf '1756800000\norbit-test-secret')" -binary | base64
    assert feishu.signature("1756800000", "orbit-test-secret") == "sN+9ZKa5w6BQmKyxCaxNA1DWEgtEnZaOcfEOCqZ26fg="
