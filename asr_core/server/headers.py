"""Headers that tell browsers what a page of this app may do."""

from __future__ import annotations

__all__ = ["PAGE_POLICY", "security_headers"]

PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Streamlit's page has a script of its own in it, its components come as blobs and
        # data, and its charts are compiled in the browser.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob: data:",
        "worker-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' blob: data:",
        "connect-src 'self' blob: data:",
        "frame-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)

_ALWAYS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def security_headers(*, is_https: bool) -> dict[str, str]:
    """Return those of every answer; over https browsers also stay with https for a year."""
    if not is_https:
        return dict(_ALWAYS)
    return {**_ALWAYS, "Strict-Transport-Security": "max-age=31536000"}
