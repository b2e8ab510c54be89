"""Which of the addresses in a provider's answer are outputs, and with what they are fetched."""

from gateway.outputs import delivered
from gateway.provider import Finished, MediaBytes, MediaObject, MediaUrl

OWN = MediaUrl("https://api.example/files/1", "video/mp4", {"x-api-key": "secret"})
FINISHED = Finished((OWN, MediaBytes(b"")), raw={"files": [OWN.url, "https://api.example/files/2"], "no": 7})


def test_what_the_provider_names():
    assert delivered(FINISHED, None) == [OWN]


def test_what_an_expression_names_is_fetched_with_headers_only_where_the_provider_named_it_too():
    found = delivered(FINISHED, "files")
    assert [(one.url, dict(one.headers)) for one in found] == [
        (OWN.url, {"x-api-key": "secret"}),
        ("https://api.example/files/2", {}),
    ]
    (invented,) = delivered(FINISHED, '`"https://api.example/account"`')
    assert invented.headers == {}
    assert delivered(FINISHED, "no") == delivered(FINISHED, "nothing.here") == delivered(FINISHED, "[") == []


def test_headers_are_not_shown():
    assert "secret" not in repr(FINISHED)


def test_what_lies_in_our_own_bucket_is_named_by_the_adapter_alone():
    ours = MediaObject("staging/gen_1-1/output.mp4")
    told = Finished((ours,), raw={"uri": "s3://drive/staging/gen_2-1/output.mp4"})
    assert delivered(told, None) == [ours]
    assert delivered(told, "uri") == [MediaUrl("s3://drive/staging/gen_2-1/output.mp4")]
