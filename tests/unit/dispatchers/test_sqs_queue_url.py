import pytest
from botocore.loaders import Loader
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.sqs.queue_url import (
    QueueUrl,
    parse_queue_url,
    require_region,
)
from keyrelay.model.documents import InvalidDefinition

REGION = "eu-central-1"
URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"
LOCAL = "http://127.0.0.1:4566"


# One region of each partition, and of none that is known today.
DOMAINS = {
    "eu-central-1": ("amazonaws.com", "api.aws"),
    "ap-southeast-17": ("amazonaws.com", "api.aws"),
    "us-gov-west-1": ("amazonaws.com", "api.aws"),
    "cn-northwest-1": ("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    "eusc-de-east-1": ("amazonaws.eu", "api.amazonwebservices.eu"),
    "us-iso-east-1": ("c2s.ic.gov", "api.aws.ic.gov"),
    "us-isob-east-1": ("sc2s.sgov.gov", "api.aws.scloud"),
    "eu-isoe-west-1": ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    "us-isof-south-1": ("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    "zz-somewhere-northeast-3": ("amazonaws.com", "api.aws"),
}
FORMS = (
    "sqs.{region}.{domain}",
    "sqs-fips.{region}.{domain}",
    "{region}.queue.{domain}",
    "vpce-0a1b2c-3d4e.sqs.{region}.vpce.{domain}",
    "vpce-0a1b2c-3d4e-us-east-1a.sqs.{region}.vpce.{domain}",
    "vpce-0a1b2c-3d4e.sqs-fips.{region}.vpce.{domain}",
)
HOSTS = [
    (region, form.format(region=region, domain=domain))
    for region, domains in DOMAINS.items()
    for domain in domains
    for form in FORMS
] + [("us-east-1", "queue.amazonaws.com")]


@pytest.mark.parametrize(("region", "host"), HOSTS)
def test_a_queue_at_aws_is_reached_at_the_host_of_its_url(
    region: str, host: str
) -> None:
    url = f"https://{host}/123456789012/o_r-1"

    queue = parse_queue_url(url, region, ())

    endpoint = f"https://{host}"
    assert queue == QueueUrl(url=url, endpoint=endpoint, region=region, name="o_r-1")


@pytest.mark.parametrize(("region", "host"), HOSTS)
def test_a_host_of_another_region_is_refused(region: str, host: str) -> None:
    with pytest.raises(InvalidDefinition, match="another region"):
        parse_queue_url(f"https://{host}/123456789012/orders", "xx-other-1", ())


def test_every_partition_that_the_library_knows_is_known() -> None:
    listed = Loader().load_data("partitions")["partitions"]

    for partition in listed:
        region = next(r for r in partition["regions"] if not r.endswith("global"))
        for suffix in ("dnsSuffix", "dualStackDnsSuffix"):
            host = f"sqs.{region}.{partition['outputs'][suffix]}"
            queue = parse_queue_url(f"https://{host}/123456789012/q", region, ())
            assert queue.region == region


def test_every_region_that_the_library_knows_has_the_form_of_one() -> None:
    for partition in Loader().load_data("partitions")["partitions"]:
        for region in partition["regions"]:
            assert require_region(region) == region
            if not region.endswith("global"):
                url = f"https://sqs.{region}.amazonaws.com/123456789012/q"
                assert parse_queue_url(url, region, ()).region == region


@pytest.mark.parametrize("region", ["us-east-1", "fr-par", "ru-central1", "elasticmq"])
def test_a_server_that_is_not_at_aws_has_regions_of_its_own(region: str) -> None:
    assert require_region(region) == region
    assert parse_queue_url(f"{LOCAL}/q", region, (LOCAL,)).region == region


@pytest.mark.parametrize(
    "region", ["", "1", "-a", "a-", "a--b", "A-b-1", "a.b", "a" * 64]
)
def test_what_cannot_be_a_region_is_refused(region: str) -> None:
    with pytest.raises(InvalidDefinition, match="must look like eu-central-1"):
        require_region(region)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (f"{URL}/", "must end with the queue's name, not with /"),
        (URL.replace("https", "http"), "must begin with https://"),
        (URL.replace("sqs.", "sns."), "not at AWS; KEYRELAY_SQS_ENDPOINTS allows"),
        (URL.replace("orders", "or ders"), "must look like https://sqs.<region>"),
    ],
)
def test_a_refusal_says_what_is_wrong_with_the_url(url: str, sentence: str) -> None:
    with pytest.raises(InvalidDefinition, match=sentence):
        parse_queue_url(url, REGION, ())


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
        f"{LOCAL}/orders",
        f"{LOCAL}/queue/orders.fifo",
        f"{LOCAL}/project-1.2_x/some/orders",
    ],
)
def test_a_queue_on_an_allowed_endpoint_is_reached_there(url: str) -> None:
    assert parse_queue_url(url, REGION, (LOCAL,)).endpoint == LOCAL


@pytest.mark.parametrize(
    "path", ["", "/", "/../orders", "/a//orders", "//orders", "/a.b"]
)
def test_a_path_that_names_no_queue_is_refused_on_any_endpoint(path: str) -> None:
    with pytest.raises(InvalidDefinition, match="queue_url must"):
        parse_queue_url(f"{LOCAL}{path}", REGION, (LOCAL,))


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
        "https://queue.amazonaws.com.cn/123456789012/orders",
        "https://sqs.s3.amazonaws.com/123456789012/orders",
        "https://sqs.s3-eu-west-1.amazonaws.com/123456789012/orders",
        "https://sqs.eu-central-1.elb.amazonaws.com/123456789012/orders",
        "https://sqs.eu-central-1.amazonaws.com.evil.cn/123456789012/orders",
        "https://sqs.eu-central-1.evil-amazonaws.com/123456789012/orders",
        "https://vpce-1.evil.sqs.eu-central-1.vpce.amazonaws.com/123456789012/orders",
        "https://vpce-1.sqs.eu-central-1.amazonaws.com/123456789012/orders",
        "https://sqs.eu-central-1.vpce.amazonaws.com/123456789012/orders",
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

        assert queue.endpoint == LOCAL or (REGION, queue.endpoint[8:]) in HOSTS
        assert url.startswith(f"{queue.endpoint}/")


def test_an_allowed_endpoint_may_be_an_ipv6_address() -> None:
    url = "http://[::1]:4566/123456789012/orders"

    assert parse_queue_url(url, REGION, ("http://[::1]:4566",)).name == "orders"
