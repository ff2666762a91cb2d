"""Who may talk to a studio: checks of every request before anything else sees it."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 256 * 10**6  # of a request

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def is_loopback(host: str) -> bool:
    """Return whether an address to bind to can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class TooLargeError(Exception):
    """The body of a request is over the limit."""


class Guard:
    """Refuses requests of other pages or hosts, without the token, and too large ones.

    A page of another site can make a browser send requests to a server on the reader's own machine.
    Such requests have the `Origin` of that site, or, after its name was given this machine's
    address, its name as `Host`.

    Args:
        app: what answers the other requests.
        host: the address that the server is bound to.
        token: what requests must bring, as `Authorization: Bearer TOKEN`, or once as
            `/?token=TOKEN`; None if they need none.
    """

    def __init__(self, app: ASGIApp, host: str, token: str | None) -> None:
        self.app = app
        self._names = {host, "localhost", "127.0.0.1", "::1"}
        self._is_public = not is_loopback(host)
        if self._is_public:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refuse(scope, headers)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        app = refusal or self.app
        await app(scope, _Limited(receive), send_safely)

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the answer to a request that is refused, or that brings the token."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return _error(403, f"'{host}' is no name of this server")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return _error(403, f"pages of '{origin}' may not use this server")
        navigates = headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not navigates:
            return _error(403, "pages of other sites may not use this server")
        if self._token is not None and scope["path"] != "/health":
            return self._ask_for_token(self._token, scope, headers)
        return self._check_length(headers)

    def _check_length(self, headers: Headers) -> Response | None:
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) <= MOST_BYTES:
            return None
        return _error(413, f"a request may have {MOST_BYTES // 10**6} MB")

    def _ask_for_token(self, token: str, scope: Scope, headers: Headers) -> Response | None:
        cookie_name = f"inpaint-tf-studio-{(scope.get('server') or ('', 0))[1]}"
        (brought,) = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[:1]
        if scope["path"] == "/" and _equal(brought, token):
            response = RedirectResponse("/", 303)
            response.set_cookie(cookie_name, token, httponly=True, samesite="strict")
            return response
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _equal(bearer.strip(), token):
            return self._check_length(headers)
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(cookie_name)
        except CookieError:
            cookie = None
        if cookie is not None and _equal(cookie.value, token):
            return self._check_length(headers)
        return _error(401, "open the address with the token that the command has printed")

    def _is_ours(self, host: str) -> bool:
        """Return whether a `Host` is a name of this machine; with a token any address is."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            return self._is_public and bool(ipaddress.ip_address(name))
        except ValueError:
            return False


class _Limited:
    """Receives the parts of a body up to the limit, for bodies that do not tell their length."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._count = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._count += len(message.get("body", b""))
        if self._count > MOST_BYTES:
            raise TooLargeError
        return message


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)
