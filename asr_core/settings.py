"""Settings of whoever runs the app or the command: every name, type, unit and default.

Values come from the app's secrets, then the environment, then the defaults here.
``scripts/settings_table.py`` makes docs/settings.md from this file.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    AliasChoices,
    AliasGenerator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from asr_core.errors import SettingsError

__all__ = ["RENAMED", "Settings", "describe_values", "name_of", "read_settings", "use_secrets"]

logger = logging.getLogger(__name__)

RENAMED = {
    "ASR_MAX_TAKE_MINUTES": "ASR_MAX_RECORDING_MINUTES",
    "ASR_MAX_MODELS_MB": "ASR_MAX_MODEL_MEMORY_MB",
    "ASR_MODELS_MAX_MB": "ASR_MAX_MODEL_CACHE_MB",
}
"""Names of earlier versions, which still work, and what they are called now."""


def _aliases(field: str) -> AliasChoices:
    name = f"ASR_{field.upper()}"
    return AliasChoices(name, *(old for old, new in RENAMED.items() if new == name))


def _optional(description: str, unset: str, **how: Any) -> Any:
    """Return a field that is None without a value; ``unset`` says what that means."""
    return Field(None, description=description, json_schema_extra={"unset": unset}, **how)


class Settings(BaseSettings):
    """Settings of the operator; a field ``name`` is set by ``ASR_NAME`` unless it has an alias."""

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=_aliases),
        allow_inf_nan=False,
        case_sensitive=True,
        coerce_numbers_to_str=True,  # secrets have types
        enable_decoding=False,  # lists are separated by commas, not JSON
        extra="ignore",
        frozen=True,
    )

    # Models.
    models: tuple[str, ...] | None = _optional(
        "models that visitors may choose: names, hub IDs and directories; `*` allows any",
        "those that fit into memory, and those already fetched",
    )
    models_dir: Path | None = _optional("where models are kept", "`~/.cache/asr_core/models`")
    max_model_cache_mb: float | None = _optional(
        "models on disk; the least recently used makes room", "no limit", gt=0
    )
    max_model_memory_mb: float | None = _optional(
        "loaded models, in memory; the least recently used makes room", "half of the memory", gt=0
    )

    # Users.
    max_speakers: int | None = _optional("speakers at once, over all models", "as measured", gt=0)
    max_recording_minutes: float | None = _optional(
        "from START to STOP; five minutes of silence end a recording, too", "no limit", gt=0
    )
    max_file_minutes: float = Field(720, gt=0, description="how much of a file is transcribed")
    keep_minutes: float = Field(
        20, gt=0, description="how long recordings and transcripts of a closed page are kept"
    )
    max_uploads_mb: float | None = _optional(
        "uploads on disk, of all users; one user gets a quarter (`TMPDIR`: where)",
        "half of what is free, 20,000 at most",
        gt=0,
    )
    max_recordings_mb: float | None = _optional(
        "kept recordings in memory, of all users; one user gets a quarter",
        "an eighth of the memory",
        gt=0,
    )
    max_connections: int | None = _optional(
        "pages at once", "as descriptors allow, 2,000 at most", gt=0
    )

    # Access.
    invite: str | None = _optional(
        "secret at the end of the link that lets people in, `…/?invite=`",
        "everybody may come in",
        repr=False,
    )
    open_to_all: bool = Field(
        False, description="`yes`: everybody may come in, and no warning says so"
    )
    allowed_hosts: tuple[str, ...] | None = _optional(
        "names the app answers to, besides local ones; `*.` stands for all below one", "none"
    )
    private_peers: bool = Field(
        True, description="`no`: no sound from private networks without a relay"
    )

    # Relays for the sound, of which the first that is set is used.
    ice_servers: tuple[dict[str, Any], ...] | None = _optional(
        "STUN and TURN servers with fixed names; in the secrets only", "none",
        validation_alias="ICE_SERVERS", repr=False,
    )  # fmt: skip
    turn_urls: tuple[str, ...] | None = _optional(
        "addresses of a coturn server", "none", validation_alias="TURN_URLS"
    )
    turn_secret: str | None = _optional(
        "its `static-auth-secret`", "none", validation_alias="TURN_SECRET", repr=False
    )
    cloudflare_turn_key_id: str | None = _optional(
        "key of Cloudflare Realtime TURN", "none", validation_alias="CLOUDFLARE_TURN_KEY_ID"
    )
    cloudflare_turn_key_api_token: str | None = _optional(
        "its token", "none", validation_alias="CLOUDFLARE_TURN_KEY_API_TOKEN", repr=False
    )
    twilio_account_sid: str | None = _optional(
        "account at Twilio", "none", validation_alias="TWILIO_ACCOUNT_SID"
    )
    twilio_auth_token: str | None = _optional(
        "its token", "none", validation_alias="TWILIO_AUTH_TOKEN", repr=False
    )

    # Test bench.
    testbench_dir: Path | None = _optional(
        "recordings and database of the test bench", "`~/.local/share/asr_core/testbench`"
    )
    testbench_url: str | None = _optional(
        "another database, any URL of SQLAlchemy; PostgreSQL is tested "
        '(`pip install "psycopg[binary]"`)',
        "SQLite in that folder",
        repr=False,
    )
    testbench_max_mb: float = Field(2048, gt=0, description="how much audio the test bench keeps")

    # Monitoring.
    metrics_port: int | None = _optional(
        "`/metrics` for Prometheus and `/health`, on a port of their own", "off", gt=0
    )
    metrics_address: str = Field("127.0.0.1", description="address of that port")
    log: Literal["plain", "json"] = Field(
        "plain",
        description="`json`: a line of JSON for each recording, file and failure, without names or words",
    )

    @model_validator(mode="before")
    @classmethod
    def _strip(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Strip values; leave out the empty ones, which count as not set."""
        stripped = {
            name: value.strip() if isinstance(value, str) else value
            for name, value in given.items()
        }
        return {name: value for name, value in stripped.items() if value not in ("", None)}

    @field_validator("models", "allowed_hosts", "turn_urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("log", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value


_secrets: Callable[[], Mapping[str, Any]] = dict
_last: tuple[object, Settings] | None = None


def use_secrets(secrets: Callable[[], Mapping[str, Any]]) -> None:
    """Have ``read_settings`` prefer the values that ``secrets`` returns by name, in any thread."""
    global _secrets  # noqa: PLW0603
    _secrets = secrets


def read_settings() -> Settings:
    """Return the settings as they are now. Any thread may call.

    Raises:
        SettingsError: a value is not valid.
    """
    global _last  # noqa: PLW0603
    secrets = _secrets()
    given = secrets, [os.environ.get(name) for name in _NAMES]
    known = _last
    if known is not None and known[0] == given:  # reading anew takes a millisecond
        return known[1]
    for old, new in RENAMED.items():
        if old in secrets or old in os.environ:
            _warn(old, new)
    try:
        settings = Settings(**secrets)
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None
    _last = given, settings
    return settings


@functools.cache
def _warn(old: str, new: str) -> None:
    logger.warning("The setting %s is now called %s; please rename it.", old, new)


def _sentence(error: ValidationError) -> str:
    """Return what is wrong with the first setting that is."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    field = next(each for each in Settings.model_fields.values() if name in _names(each))
    what = f"is {first['input']!r}" if field.repr else "is not valid"
    return f"{name} {what}; set it to {describe_values(field)}, or remove it."


def _names(field: FieldInfo) -> tuple[str, ...]:
    alias = field.validation_alias
    names = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return tuple(str(name) for name in names)


def name_of(field: FieldInfo) -> str:
    """Return the name that sets ``field``."""
    return _names(field)[0]


def describe_values(field: FieldInfo) -> str:
    """Return what ``field`` may be set to, such as "a number above 0"."""
    return next(words for kind, words in _VALUES.items() if field.annotation in (kind, kind | None))


_VALUES: dict[Any, str] = {
    bool: "yes or no",
    int: "a whole number above 0",
    float: "a number above 0",
    str: "text",
    Path: "a folder",
    tuple[str, ...]: "a list separated by commas",
    tuple[dict[str, Any], ...]: "a list of tables",
    Literal["plain", "json"]: "plain or json",
}

_NAMES = [name for field in Settings.model_fields.values() for name in _names(field)]
