"""Where the gateway is and who calls."""

import pytest

from museway._settings import Settings, resolve
from museway.errors import NotConfigured


def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSEWAY_URL", "https://a.test")
    monkeypatch.setenv("MUSEWAY_API_KEY", "mw_a\n")
    assert resolve() == Settings("https://a.test", "mw_a")
    assert resolve("https://b.test/", "mw_b") == Settings("https://b.test", "mw_b")
    assert "mw_a" not in repr(resolve())


@pytest.mark.parametrize("url", ["gateway.test", "ftp://gateway.test", "https://", "http://[::1"])
def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(NotConfigured, match="MUSEWAY_URL"):
        resolve(url)


@pytest.mark.parametrize("api_key", ["mw_\n1", "mw_ä"])
def test_a_key_that_no_header_could_carry_is_refused_without_being_shown(api_key: str) -> None:
    with pytest.raises(NotConfigured) as caught:
        resolve("https://a.test", api_key)
    assert api_key not in str(caught.value)
