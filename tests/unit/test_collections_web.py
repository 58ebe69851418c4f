"""What a fetcher may reach and what a list of URLs may say."""

import ipaddress
from pathlib import Path

import pytest

from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.generation.collections.addresses import may_reach, networks
from benchmark.generation.collections.listing import read_listing
from benchmark.generation.collections.urls import Failure, next_url, retry_after, split

CLASSES = ("cat", "fire truck")
SHA = "ab" * 32


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True),
        ("127.0.0.1", False), ("10.1.2.3", False), ("192.168.0.1", False), ("172.16.0.1", False),
        ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False),
        ("224.0.0.1", False), ("255.255.255.255", False),
        ("::1", False), ("fe80::1%eth0", False), ("fc00::1", False), ("ff02::1", False),
        ("::ffff:127.0.0.1", False), ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False), ("64:ff9b::5db8:d822", True), ("2002:7f00:1::", False),
    ],
)  # fmt: skip
def test_only_public_addresses_are_reached(address: str, allowed: bool) -> None:
    assert may_reach(address) is allowed


def test_a_private_network_can_be_named() -> None:
    named = networks(["10.0.0.0/8", "::1/128"])
    assert named[0] == ipaddress.ip_network("10.0.0.0/8")
    assert may_reach("10.9.9.9", named) and may_reach("::1", named)
    assert may_reach("::ffff:10.9.9.9", named)
    assert not may_reach("127.0.0.1", named)
    with pytest.raises(UsageError, match=r"Expected a network such as 10.0.0.0/8, but got 'x'"):
        networks(["x"])


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://x.org/a", "not HTTPS"), ("ftp://x.org/a", "not HTTPS but ftp"),
        ("file:///etc/passwd", "not HTTPS but file"), ("x.org/a", "not HTTPS but no scheme"),
        ("https:///a", "no host"), ("https://u:p@x.org/", "user name"),
        ("https://x.org:99999/", "not a URL"), ("https://[::1/", "not a URL"),
    ],
)  # fmt: skip
def test_what_is_no_public_https_url_is_refused(url: str, reason: str) -> None:
    with pytest.raises(Failure, match=reason):
        split(url, False)


def test_urls_are_sent_in_ascii() -> None:
    parts = split("https://bücher.example:8443/a b/ü%20.png?q=ä&r#part", False)
    assert parts.geturl() == ("https://xn--bcher-kva.example:8443/a%20b/%C3%BC%20.png?q=%C3%A4&r")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("", 0.0), ("soon", 0.0), ("Thu, 01 Jan 1970 00:00:09 GMT", 0)],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float) -> None:
    assert retry_after(text) == seconds


def test_a_redirect_never_leaves_https() -> None:
    assert next_url("https://x.org/a/b", "../c") == "https://x.org/c"
    for target in ("http://x.org/", "file:///etc/passwd", ""):
        with pytest.raises(Failure, match="redirect"):
            next_url("https://x.org/a", target)


def listing(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_list_is_csv_or_json_lines(tmp_path: Path) -> None:
    table = listing(
        tmp_path, "a.csv",
        f"url,class,sha256,licence,date,query,width\nhttps://x/1,Fire_Truck,{SHA.upper()},"
        "CC-BY,2024-01-01,red truck,640\nhttps://x/2,cat,,,,,\n",
    )  # fmt: skip
    lines = listing(
        tmp_path, "a.jsonl",
        f'{{"url": "https://x/1", "label": 1, "sha256": "{SHA}", "license": "CC-BY", '
        '"date": "2024-01-01", "query": "red truck"}\n{"url": "https://x/2", "label": 0}\n',
    )  # fmt: skip
    assert read_listing(table, CLASSES) == read_listing(lines, CLASSES)
    first = read_listing(table, CLASSES)[0]
    assert (first.label, first.sha256, first.licence, first.query) == (
        1, SHA, "CC-BY", "red truck",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "kind", "words"),
    [
        ("a.txt", "x", DataError, "Expected a list of URLs as .csv or .jsonl"),
        ("a.csv", "url,class\n", DataError, "it is empty"),
        ("a.csv", "link,class\nx,cat\n", DataError, "Expected the columns url and class"),
        ("a.csv", "url\nx\n", DataError, "Expected the columns url and class"),
        ("a.csv", "url,class,sha265\nx,cat,1\n", UsageError, "'sha265'.*did you mean sha256"),
        ("a.csv", "url,class,sha256\nx,cat,12\n", DataError, "row 1.*repair|64 hex digits"),
        ("a.csv", "url,class\n,cat\n", DataError, "Expected a URL and a class"),
        ("a.csv", "url,class\nx,catt\n", UsageError, "Unknown class 'catt'.*did you mean cat"),
        ("a.csv", "url,label\nx,2\n", DataError, "Expected a label below 2, but got '2'"),
        ("a.jsonl", "{\n", IntegrityError, "Expected a readable list"),
        ("a.jsonl", "[]\n", IntegrityError, "one object a line"),
    ],
)
def test_a_broken_list_is_refused(
    name: str, text: str, kind: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=words):
        read_listing(listing(tmp_path, name, text), CLASSES)
