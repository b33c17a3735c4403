"""Security headers of every response."""

from __future__ import annotations

__all__ = ["PAGE_POLICY", "security_headers"]

PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Streamlit's page has an inline script, its components load as blobs and data URLs,
        # and its charts are compiled in the browser.
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

_BASE_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def security_headers(*, is_https: bool) -> dict[str, str]:
    """Return the security headers; over HTTPS they include HSTS for a year."""
    if not is_https:
        return dict(_BASE_HEADERS)
    return {**_BASE_HEADERS, "Strict-Transport-Security": "max-age=31536000"}
