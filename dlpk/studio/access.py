"""Who may speak with the server.

On its own machine a server can be reached by every page in the browser: by requests that carry
another ``Origin``, and, where a name of the page's is bound anew to 127.0.0.1, by such as look as
if they were the server's own. Both are refused. Anything but the own machine needs a token.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE = "dlpk-token"
MOST_BODY = 1 << 20
MOST_QUERY = 64 << 10
MOST_PATH = 1000
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "worker-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


@dataclass(frozen=True)
class Access:
    """Who may speak with the server.

    Parameters
    ----------
    names : tuple of str
        Host names that requests may be addressed to, without port.
    token : str or None
        What every request has to carry, as ``Authorization: Bearer``, in the query as ``token``
        or as the cookie that the page sets; None: nothing.
    """

    names: tuple[str, ...] = LOOPBACK
    token: str | None = None

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason for which a request is refused; None if it is not."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(f"//{host}"):
            return 403, f"this server does not answer to the host {host[:100]!r}"
        origin = headers.get("origin")
        if origin is not None and urlsplit_netloc(origin) != host:
            return 403, "requests of other pages are refused"
        if headers.get("sec-fetch-site") == "cross-site" and scope["path"] != "/":
            return 403, "requests of other pages are refused"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BODY:
            return 413, f"the request is larger than {MOST_BODY:,} bytes"
        if len(scope["path"]) > MOST_PATH:
            return 414, "there is no path as long as that"
        if len(scope.get("query_string", b"")) > MOST_QUERY:
            return 414, f"the query is longer than {MOST_QUERY:,} bytes"
        if self.token is not None and not self._knows(scope, headers):
            return 401, "this server wants the token that it printed when it was started"
        return None

    def _is_ours(self, address: str) -> bool:
        try:
            return (urlsplit(address).hostname or "") in self.names
        except ValueError:
            return False

    def _knows(self, scope: Scope, headers: Headers) -> bool:
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(headers.get("cookie", ""))
        except CookieError:
            return False
        cookie = cookies.get(COOKIE)
        given = (
            headers.get("authorization", "").removeprefix("Bearer "),
            QueryParams(scope["query_string"]).get("token", ""),
            cookie.value if cookie is not None else "",
        )
        token = (self.token or "").encode()
        return any(hmac.compare_digest(value.encode(), token) for value in given)


def urlsplit_netloc(origin: str) -> str:
    """Host and port of an origin, empty for none or a damaged one."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


class Guard:
    """Refuses what `Access` refuses, and adds headers that keep pages from doing harm."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
            await send(message)

        refused = self.access.refusal(scope)
        if refused is not None:
            status, reason = refused
            await JSONResponse({"error": reason}, status)(scope, receive, guarded)
            return
        await self.app(scope, receive, guarded)
