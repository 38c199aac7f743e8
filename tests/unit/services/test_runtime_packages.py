"""What an operator may ask a runtime to hold, and what leads to a registry."""

from pathlib import Path

import pytest

from keyrelay.dispatchers.script.interpreter import Language
from keyrelay.services.runtimes.installer import certificates, way_to_registries
from keyrelay.services.runtimes.wanted import NotPrepared, wanted_packages

PYTHON, NODE = Language.PYTHON, Language.NODE
SDK = {PYTHON: "tagoio-sdk>=5.1.8", NODE: "@tago-io/sdk@>=12.3.1"}
DIGEST = "0" * 64


@pytest.mark.parametrize("language", Language)
def test_the_sdk_is_wanted_in_its_newest_version(language: Language) -> None:
    assert wanted_packages(language, []) == [SDK[language]]


def test_an_sdk_that_is_asked_for_is_the_one_that_is_asked_for() -> None:
    assert wanted_packages(PYTHON, ["TagoIO_SDK==5.2.0"]) == ["TagoIO_SDK==5.2.0"]
    assert wanted_packages(NODE, ["@tago-io/sdk==12.4.0"]) == ["@tago-io/sdk@12.4.0"]


def test_packages_are_written_as_each_installer_reads_them() -> None:
    python = wanted_packages(PYTHON, ["requests", "numpy==2.3.1", "a[b,c]==1.0"])
    node = wanted_packages(NODE, ["luxon==3.5.0", "@of/it", "qs==6.0.0-rc.1"])

    assert python == [SDK[PYTHON], "requests", "numpy==2.3.1", "a[b,c]==1.0"]
    assert node == [SDK[NODE], "luxon@3.5.0", "@of/it", "qs@6.0.0-rc.1"]


@pytest.mark.parametrize(
    ("language", "asked"),
    [
        *((PYTHON, each) for each in ("", "./x", "-r", "--pre", "a b", "a>=1", "a==")),
        *((PYTHON, each) for each in ("git+https://x/y", "a @ https://x/y", "a\n-r b")),
        *((NODE, each) for each in ("", "./x", "-g", "a@1.0.0", "a==^1.0.0", "a==1")),
        *((NODE, each) for each in ("of/it", "git+ssh://x/y", "file:x", "a==latest")),
        *((NODE, each) for each in ("@of", "../x", "a==1.0.0 b", "A")),
    ],
)
def test_what_is_no_name_of_a_registry_is_refused(
    language: Language, asked: str
) -> None:
    with pytest.raises(NotPrepared, match="--package takes the name of a package"):
        wanted_packages(language, [asked])


def test_a_requirements_file_is_read_as_pip_reads_it() -> None:
    text = f"""\
# what our scripts need
requests>=2.31,<3   # for all
numpy == 2.3.1 ; python_version >= "3.11"
one==1.0 \\
    --hash=sha256:{DIGEST} \\
    --hash=sha256:{DIGEST}

tagoio_sdk==5.1.8
"""

    assert wanted_packages(PYTHON, ["two"], text) == [
        "two",
        "requests>=2.31,<3",
        'numpy == 2.3.1 ; python_version >= "3.11"',
        f"one==1.0 --hash=sha256:{DIGEST} --hash=sha256:{DIGEST}",
        "tagoio_sdk==5.1.8",
    ]


@pytest.mark.parametrize(
    "line",
    [
        *(
            "--no-binary :all:",
            "--index-url https://someone:hunter2@x/",
            "-e .",
            "-r x",
        ),
        *("--only-binary :none:", "./x.whl", "x @ https://y/x.whl", "https://y/x.whl"),
        *("x --no-binary x", "x --global-option=y", "x; y @ https://z", "-c x"),
        *("x --config-settings=a=b", "${x}", "x \\\n --no-binary x", "git+https://x"),
        "x ; y == 'z' --no-binary x",
    ],
)
def test_a_line_that_could_have_something_built_is_refused_by_its_number(
    line: str,
) -> None:
    with pytest.raises(NotPrepared, match=r"line [23] of the requirements") as refused:
        wanted_packages(PYTHON, [], f"fine\n{line}\n")

    assert "hunter2" not in str(refused.value)


def test_a_requirements_file_is_for_python_alone() -> None:
    with pytest.raises(NotPrepared, match="give --package for node"):
        wanted_packages(NODE, [], "luxon")


def test_only_what_leads_to_a_registry_is_handed_on(tmp_path: Path) -> None:
    anchors, link = tmp_path / "anchors.pem", tmp_path / "link.pem"
    anchors.touch()
    link.symlink_to(anchors)
    given = {
        "https_proxy": "http://127.0.0.1:3128",
        "NO_PROXY": "",
        "PIP_CERT": str(link),
        "SSL_CERT_FILE": "/nonexistent",
        "PIP_INDEX_URL": "https://127.0.0.1/simple",
        "PIP_NO_BINARY": ":all:",
        "KEYRELAY_KEY": "a-key",
        "LD_PRELOAD": "x",
        "NODE_OPTIONS": "x",
    }

    way = way_to_registries(given)

    assert way == {
        "https_proxy": "http://127.0.0.1:3128",
        "PIP_CERT": str(anchors),
        "SSL_CERT_FILE": "/nonexistent",
        "PIP_INDEX_URL": "https://127.0.0.1/simple",
    }
    assert certificates(way) == (anchors,)
