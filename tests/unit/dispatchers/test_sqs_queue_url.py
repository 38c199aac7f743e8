import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.sqs.queue_url import QueueUrl, parse_queue_url
from keyrelay.model.documents import InvalidDefinition

REGION = "eu-central-1"
URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"
LOCAL = "http://127.0.0.1:4566"


@pytest.mark.parametrize(
    ("url", "region", "endpoint", "name"),
    [
        (URL, REGION, "https://sqs.eu-central-1.amazonaws.com", "orders"),
        (
            "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/o_r-1",
            "cn-north-1",
            "https://sqs.cn-north-1.amazonaws.com.cn",
            "o_r-1",
        ),
        (
            "https://sqs.us-gov-west-1.amazonaws.com/123456789012/a",
            "us-gov-west-1",
            "https://sqs.us-gov-west-1.amazonaws.com",
            "a",
        ),
    ],
)
def test_a_queue_at_aws_is_reached_at_the_host_of_its_url(
    url: str, region: str, endpoint: str, name: str
) -> None:
    queue = parse_queue_url(url, region, ())

    assert queue == QueueUrl(url=url, endpoint=endpoint, region=region, name=name)


@pytest.mark.parametrize(
    "url", [f"{URL}.fifo", URL.replace("orders", "a" * 75 + ".fifo")]
)
def test_a_queue_whose_name_ends_in_fifo_is_one(url: str) -> None:
    assert parse_queue_url(url, REGION, ()).fifo


@pytest.mark.parametrize("url", [URL, f"{URL}fifo", f"{URL}-fifo"])
def test_any_other_queue_is_a_standard_one(url: str) -> None:
    assert not parse_queue_url(url, REGION, ()).fifo


def test_a_queue_of_another_region_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="another region"):
        parse_queue_url(URL, "eu-west-1", ())


def test_a_region_in_the_path_is_a_region_too() -> None:
    url = f"{LOCAL}/queue/us-east-1/000000000000/orders"

    with pytest.raises(InvalidDefinition, match="another region"):
        parse_queue_url(url, REGION, (LOCAL,))


@pytest.mark.parametrize(
    "url",
    [
        f"{LOCAL}/000000000000/orders",
        f"{LOCAL}/queue/eu-central-1/000000000000/orders.fifo",
    ],
)
def test_a_queue_on_an_allowed_endpoint_is_reached_there(url: str) -> None:
    assert parse_queue_url(url, REGION, (LOCAL,)).endpoint == LOCAL


@pytest.mark.parametrize(
    "url",
    [
        f"{LOCAL}/000000000000/orders",
        "http://127.0.0.1:45660/000000000000/orders",
        "http://127.0.0.1/000000000000/orders",
        "https://127.0.0.1:4566/000000000000/orders",
        "http://127.0.0.1:4566.evil.example/000000000000/orders",
    ],
)
def test_only_exactly_an_allowed_endpoint_is_allowed(url: str) -> None:
    allowed = () if url.startswith(f"{LOCAL}/") else (LOCAL,)

    with pytest.raises(InvalidDefinition, match="KEYRELAY_SQS_ENDPOINTS"):
        parse_queue_url(url, REGION, allowed)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "orders",
        "https://sqs.eu-central-1.amazonaws.com",
        "https://sqs.eu-central-1.amazonaws.com/123456789012",
        "https://sqs.eu-central-1.amazonaws.com/12345678901/orders",
        "https://sqs.eu-central-1.amazonaws.com/1234567890123/orders",
        "https://sqs.eu-central-1.amazonaws.com/١٢٣٤٥٦٧٨٩٠١٢/orders",
        f"{URL}/",
        f"{URL}/more",
        f"{URL}?Action=DeleteQueue",
        f"{URL}#part",
        f"{URL}%2f",
        f"{URL}\n",
        f" {URL}",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/o.rders",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/.fifo",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/" + "a" * 81,
        "https://sqs.eu-central-1.amazonaws.com/123456789012/" + "a" * 76 + ".fifo",
        "https://user@sqs.eu-central-1.amazonaws.com/123456789012/orders",
        "https://sqs.eu-central-1.amazonaws.com\\@evil.example/123456789012/orders",
        "http://sqs.eu-central-1.amazonaws.com/123456789012/orders",
        "HTTP://SQS.EU-CENTRAL-1.AMAZONAWS.COM/123456789012/orders",
        "https://sqs.eu-central-1.amazonaws.com:444/123456789012/orders",
        "https://sqs.eu-central-1.amazonaws.com.evil.example/123456789012/orders",
        "https://sqsxeu-central-1.amazonaws.com/123456789012/orders",
        "https://evil.example/123456789012/orders",
        "https://queue.amazonaws.com/123456789012/orders",
        "ftp://sqs.eu-central-1.amazonaws.com/123456789012/orders",
        "//sqs.eu-central-1.amazonaws.com/123456789012/orders",
        "https://[sqs.eu-central-1.amazonaws.com/123456789012/orders",
        "https://[name]/123456789012/orders",
        "https://[::1]/123456789012/orders",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/" + "a" * 600,
    ],
)
def test_every_other_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidDefinition):
        parse_queue_url(url, REGION, (LOCAL,))


@given(st.text(max_size=80))
def test_no_text_leads_anywhere_but_to_aws_or_an_allowed_endpoint(text: str) -> None:
    for url in (text, URL + text, f"https://{text}/123456789012/orders"):
        try:
            queue = parse_queue_url(url, REGION, (LOCAL,))
        except InvalidDefinition:
            continue

        assert queue.endpoint in (LOCAL, "https://sqs.eu-central-1.amazonaws.com")
        assert url.startswith(f"{queue.endpoint}/")


def test_an_allowed_endpoint_may_be_an_ipv6_address() -> None:
    url = "http://[::1]:4566/123456789012/orders"

    assert parse_queue_url(url, REGION, ("http://[::1]:4566",)).name == "orders"
