"""Browsers' offers are accepted; others are refused before they cost anything."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.errors import SettingsError
from asr_core.rtc.offers import (
    MAX_CANDIDATES,
    OfferError,
    PeerAddressPolicy,
    filter_candidates,
    validate_offer,
)

ALL = PeerAddressPolicy()
PUBLIC = PeerAddressPolicy(private=False)

HEAD = """\
v=0
o=- 5971267320413137993 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS 996b20b2-d800-4463-9b78-f4288e5c0eb6
"""
AUDIO = """\
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:SI/o
a=ice-pwd:O76jVY2CMM93Cu2CY4S1EG5z
a=ice-options:trickle
a=fingerprint:sha-256 F9:0C:1B:07:89:31:C8:4D:28:E9:2C:90:15:AE:7D:1E:5E:DF:CA:8B:47:BE:A7:4D:67:F7:0E:E6:43:29:E7:DA
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendonly
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:0 PCMU/8000
a=ssrc:2571132246 cname:PoPNFv+3a1PAyliV
"""
OFFER = (HEAD + AUDIO).replace("\n", "\r\n")
"""Chromium 141's offer for a page that only sends a microphone, shortened."""

VIDEO = AUDIO.replace("m=audio", "m=video").replace("opus/48000/2", "VP8/90000")
DATA = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=sctp-port:5000\n"


def candidate(address: str = "198.51.100.7", port: int = 40_000, protocol: str = "udp") -> str:
    return f"candidate:842163049 1 {protocol} 1677729535 {address} {port} typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag SI/o network-id 1"


def with_candidates(n: int) -> str:
    return OFFER + "".join(f"a={candidate(port=10_000 + i)}\r\n" for i in range(n))


def test_a_browsers_offer_passes_unchanged() -> None:
    assert validate_offer(OFFER, "offer", PUBLIC) == OFFER
    assert validate_offer(with_candidates(12), "offer", ALL) == with_candidates(12)
    assert validate_offer(OFFER.replace("sendonly", "sendrecv"), "offer", ALL)
    assert validate_offer(HEAD + AUDIO, "offer", ALL) == OFFER


@pytest.mark.parametrize(
    "sdp",
    [
        None,
        {"sdp": OFFER},
        "",
        "x",
        HEAD + AUDIO + VIDEO,
        HEAD + VIDEO,
        HEAD + AUDIO + DATA,
        HEAD + DATA,
        HEAD,
        HEAD + AUDIO + AUDIO.replace("a=mid:0", "a=mid:1"),
        OFFER.replace("sendonly", "recvonly"),
        OFFER.replace("sendonly", "inactive"),
        OFFER.replace("opus/48000/2", "L16/48000/2"),
        OFFER.replace("SI/o", "GET-http://169.254.169.254/latest"),
        OFFER.replace("a=ice-ufrag:SI/o\r\n", ""),
        OFFER.replace("O76jVY2CMM93Cu2CY4S1EG5z", "x" * 300),
        OFFER.replace("UDP/TLS/RTP/SAVPF 111", "RTP/AVP 111"),
        OFFER + "a=x:\u2028v=0\r\n",
        OFFER + "a=x:\x1cm=video 9 RTP/AVP 0\r\n",
        OFFER + "a=x:\x00\r\n",
        OFFER + "a=" + "x" * 2_000 + "\r\n",
        OFFER + 500 * "a=x\r\n",
        with_candidates(MAX_CANDIDATES + 1),
    ],
)
def test_any_other_offer_is_refused_with_a_sentence(sdp: object) -> None:
    with pytest.raises(
        OfferError, match=r"^The connection .* was refused: the browser\'s offer [^\n]*\.$"
    ):
        validate_offer(sdp, "offer", ALL)


@pytest.mark.parametrize("kind", [None, 5, "answer", "rollback", ["offer"]])
def test_a_value_that_is_not_an_offer_is_refused(kind: object) -> None:
    with pytest.raises(OfferError):
        validate_offer(OFFER, kind, ALL)


@pytest.mark.parametrize("sdp", [HEAD + 8_000 * AUDIO, OFFER + 5_000 * f"a={candidate()}\r\n"])
def test_a_huge_offer_is_refused_cheaply(sdp: str) -> None:
    began = time.process_time()
    for _ in range(100):
        with pytest.raises(OfferError):
            validate_offer(sdp, "offer", ALL)
    assert time.process_time() - began < 1.0


@given(st.text(max_size=300), st.integers(0, len(OFFER)))
def test_any_offer_has_at_most_one_media_line(text: str, at: int) -> None:
    try:
        checked = validate_offer(OFFER[:at] + text + OFFER[at:], "offer", ALL)
    except OfferError:
        return
    # As aiortc reads it: it knows more line ends than SDP does.
    media = [line for line in checked.splitlines() if line.startswith("m=")]
    assert len(media) == 1 and media[0].startswith("m=audio ")


REFUSED = [
    "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "0.0.0.0", "0.1.2.3", "::",
    "169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200",
    "224.0.0.251", "ff02::fb", "255.255.255.255", "240.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1",
    "2001:0:102:304::1", "printer.local", "localhost", "example.org", "1.2.3", "", "010.0.0.1",
]  # fmt: skip
PRIVATE = ["10.0.0.5", "192.168.1.20", "172.20.0.2", "100.64.0.9", "fd12::5", "::ffff:10.0.0.5"]


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_that_no_browser_has_are_never_tried(address: str) -> None:
    assert not ALL.allows(address)
    sdp = validate_offer(f"{OFFER}a={candidate(address)}\r\n", "offer", ALL)
    assert "candidate" not in sdp
    given = {"a": {"candidate": candidate(address), "sdpMid": "0", "sdpMLineIndex": 0}}
    assert filter_candidates(given, ALL) == {}


@pytest.mark.parametrize("address", PRIVATE)
def test_private_networks_are_tried_unless_the_operator_says_no(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PeerAddressPolicy.from_settings().allows(address)
    monkeypatch.setenv("ASR_PRIVATE_PEERS", " Yes ")
    assert PeerAddressPolicy.from_settings().allows(address)
    monkeypatch.setenv("ASR_PRIVATE_PEERS", "no")
    assert not PeerAddressPolicy.from_settings().allows(address)
    monkeypatch.setenv("ASR_PRIVATE_PEERS", "ture")
    with pytest.raises(SettingsError, match="'ture'; set it to yes or no"):
        PeerAddressPolicy.from_settings()


@pytest.mark.parametrize("address", ["203.0.114.9", "2a00:1450::8", "8.8.8.8"])
def test_public_addresses_are_tried(address: str) -> None:
    assert PUBLIC.allows(address)


def test_browsers_candidates_pass() -> None:
    for text in (
        "candidate:3124279949 1 udp 2122194687 192.0.2.2 55156 typ host generation 0 ufrag SI/o network-id 1",
        "candidate:0 1 UDP 2122252543 192.168.1.9 51000 typ host",  # Firefox
        candidate(),
    ):
        given = {"x": {"candidate": text, "sdpMid": "0", "sdpMLineIndex": 0}}
        assert [kept["candidate"] for kept in filter_candidates(given, ALL).values()] == [text]


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "candidate:1", candidate(port=53), candidate(port=70_000),
        candidate(protocol="tcp"), candidate().replace(" 1 udp", " 2 udp"),
        candidate() + "\n2026-11-30 ERROR forged", candidate() + " " + "x" * 500,
        candidate().replace("rport 0", "rport x"), candidate().replace("1677729535", "9" * 10),
    ],
)  # fmt: skip
def test_unusual_candidates_are_dropped(text: str) -> None:
    assert filter_candidates({"x": {"candidate": text, "sdpMLineIndex": 0}}, ALL) == {}


@pytest.mark.parametrize(
    "given",
    [
        None, 5, [], "x", {"x": None}, {"x": []}, {"x": {}}, {"x": {"candidate": 5}},
        {"x": {"candidate": candidate(), "sdpMLineIndex": 3}},
        {"x": {"candidate": candidate(), "sdpMLineIndex": [0]}},
    ],
)  # fmt: skip
def test_values_that_are_not_candidates_are_dropped(given: object) -> None:
    assert filter_candidates(given, ALL) == {}


def test_the_number_of_candidates_is_limited() -> None:
    given = {
        str(i): {"candidate": candidate(port=10_000 + i), "sdpMLineIndex": 0} for i in range(5_000)
    }
    assert len(filter_candidates(given, ALL)) == MAX_CANDIDATES
    assert len(filter_candidates(given, ALL, n_before=45)) == 5
    assert filter_candidates(given, ALL, n_before=99) == {}
