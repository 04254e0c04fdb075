"""The environment, read once per process by its composition root and passed on as typed values."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from runtime.targets import Targets

APP_ROLE = "summit_app"
"""The database role of API and worker: it owns nothing and cannot bypass row-level security."""

MIN_SECRET_LENGTH = 32

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


class PostgresSettings(BaseSettings):
    """Where the database is; `host` may be the directory of a unix socket."""

    model_config = SettingsConfigDict(env_prefix="POSTGRES_", extra="ignore", frozen=True)

    host: str = "localhost"
    port: int = Field(default=5432, ge=1, le=65535)
    db: str = "summit"
    user: str = "postgres"
    password: SecretStr = SecretStr("")

    def conninfo(self, role: str | None = None) -> str:
        """A libpq URI; with `role` the session runs as that role from its first statement."""
        host = _quote(self.host) if self.host.startswith("/") else self._tcp_host()
        return f"postgresql://{self._credentials()}@{host}:{self.port}/{_quote(self.db)}{_options(role, '?')}"

    def sqlalchemy_url(self, role: str | None = None) -> str:
        """The same for SQLAlchemy with psycopg, which wants a socket directory as a query argument."""
        if self.host.startswith("/"):
            place = f"/{_quote(self.db)}?host={_quote(self.host)}&port={self.port}{_options(role, '&')}"
        else:
            place = f"{self._tcp_host()}:{self.port}/{_quote(self.db)}{_options(role, '?')}"
        return f"postgresql+psycopg://{self._credentials()}@{place}"

    def _tcp_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def _credentials(self) -> str:
        password = self.password.get_secret_value()
        return _quote(self.user) + (f":{_quote(password)}" if password else "")


class Settings(BaseSettings):
    """Everything else. Only the API needs `secret`, so its absence is refused there and not here."""

    model_config = SettingsConfigDict(populate_by_name=True, extra="ignore", frozen=True)

    port: int = Field(default=3100, validation_alias="PORT", ge=1, le=65535)
    host: str = Field(default="127.0.0.1", validation_alias="SUMMIT_HOST")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", validation_alias="LOG_LEVEL")
    allowed_origins: Annotated[list[str], NoDecode] = Field(default_factory=list, validation_alias="ALLOWED_ORIGINS")

    redis_host: str | None = Field(default=None, validation_alias="REDIS_HOST")
    redis_port: int = Field(default=6379, validation_alias="REDIS_PORT", ge=1, le=65535)
    redis_password: SecretStr | None = Field(default=None, validation_alias="REDIS_PASSWORD")

    secret: SecretStr | None = Field(default=None, validation_alias="SUMMIT_SECRET")
    payload_key: SecretStr | None = Field(default=None, validation_alias="SUMMIT_PAYLOAD_KEYS")
    environment: Literal["development", "production"] = Field(
        default="development", validation_alias="SUMMIT_ENVIRONMENT"
    )

    task_queue: str = Field(default="summit", validation_alias="SUMMIT_TASK_QUEUE", min_length=1)
    sandbox: bool = Field(default=False, validation_alias="SUMMIT_SANDBOX")
    worker_metrics_port: int = Field(default=9464, validation_alias="SUMMIT_WORKER_METRICS_PORT", ge=1, le=65535)

    db_pool_size: int = Field(default=16, validation_alias="SUMMIT_DB_POOL_SIZE", ge=1)
    token_minutes: int = Field(default=60, validation_alias="SUMMIT_TOKEN_MINUTES", ge=1)
    rate_limit_principal: str = Field(default="600/minute", validation_alias="SUMMIT_RATE_LIMIT_PRINCIPAL")
    rate_limit_public: str = Field(default="120/minute", validation_alias="SUMMIT_RATE_LIMIT_PUBLIC")
    rate_limit_login: str = Field(default="10/minute", validation_alias="SUMMIT_RATE_LIMIT_LOGIN")
    max_body_bytes: int = Field(default=1_048_576, validation_alias="SUMMIT_MAX_BODY_BYTES", ge=1024)
    request_budget_seconds: float = Field(default=8.0, validation_alias="SUMMIT_REQUEST_BUDGET", gt=0)
    public_url: str = Field(default="http://127.0.0.1:3100", validation_alias="SUMMIT_PUBLIC_URL")
    portal_url: str | None = Field(default=None, validation_alias="SUMMIT_PORTAL_URL")
    """Where a portal serves `/tickets/<id>`, `/inbox`, `/set-password` and `/rate`; without one, mails hold no links to the first two."""
    allow_targets: str = Field(default="", validation_alias="SUMMIT_ALLOW_TARGETS")
    smtp_host: str | None = Field(default=None, validation_alias="SUMMIT_SMTP_HOST")
    smtp_port: int = Field(default=587, validation_alias="SUMMIT_SMTP_PORT", ge=1, le=65535)
    smtp_user: str | None = Field(default=None, validation_alias="SUMMIT_SMTP_USER")
    smtp_password: SecretStr | None = Field(default=None, validation_alias="SUMMIT_SMTP_PASSWORD")
    smtp_tls: Literal["auto", "off", "starttls", "tls"] = Field(default="auto", validation_alias="SUMMIT_SMTP_TLS")
    smtp_ca_file: str | None = Field(default=None, validation_alias="SUMMIT_SMTP_CA_FILE")
    """Whom to trust beside the usual authorities, as a PEM file: for mail servers with a certificate of the house."""
    mail_from: str = Field(default="support@summit.example", validation_alias="SUMMIT_MAIL_FROM")
    mail_dir: str = Field(default=".summit/mail", validation_alias="SUMMIT_MAIL_DIR", min_length=1)
    mail_listen: str = Field(default="", validation_alias="SUMMIT_MAIL_LISTEN")
    """Where the API takes mail by SMTP, as `host:port`; nowhere when empty."""
    mail_protocol: Literal["smtp", "lmtp"] = Field(default="smtp", validation_alias="SUMMIT_MAIL_PROTOCOL")
    mail_max_bytes: int = Field(default=25 * 1024 * 1024, validation_alias="SUMMIT_MAIL_MAX_BYTES", ge=64 * 1024)
    mail_authserv: str | None = Field(default=None, validation_alias="SUMMIT_MAIL_TRUSTED_AUTHSERV")
    """Whose Authentication-Results are believed: the name under which the mail server in front of us writes them."""
    mail_keep_days: int = Field(default=365, validation_alias="SUMMIT_MAIL_KEEP_DAYS", ge=0)
    """How long a mail that became a ticket or a comment is kept as it came; for ever when 0."""
    mail_interval_seconds: float = Field(default=1.0, validation_alias="SUMMIT_MAIL_INTERVAL", gt=0)
    files_dir: str = Field(default=".summit/files", validation_alias="SUMMIT_FILES_DIR", min_length=1)
    max_file_bytes: int = Field(default=25 * 1024 * 1024, validation_alias="SUMMIT_MAX_FILE_BYTES", ge=1024)
    export_rows: int = Field(default=100_000, validation_alias="SUMMIT_EXPORT_ROWS", ge=1)
    event_days: int = Field(default=7, validation_alias="SUMMIT_EVENT_DAYS", ge=1)
    auditor_interval_seconds: float = Field(default=5.0, validation_alias="SUMMIT_AUDITOR_INTERVAL", gt=0)

    oidc_issuer: str | None = Field(default=None, validation_alias="SUMMIT_OIDC_ISSUER")
    """An OpenID provider whose tokens are taken beside our own, spelt exactly as their `iss`."""
    oidc_audience: str | None = Field(default=None, validation_alias="SUMMIT_OIDC_AUDIENCE")
    oidc_jwks_url: str | None = Field(default=None, validation_alias="SUMMIT_OIDC_JWKS_URL")
    oidc_client_id: str | None = Field(default=None, validation_alias="SUMMIT_OIDC_CLIENT_ID")
    oidc_tenant: str | None = Field(default=None, validation_alias="SUMMIT_OIDC_TENANT")
    oidc_tenant_claim: str | None = Field(default=None, validation_alias="SUMMIT_OIDC_TENANT_CLAIM")
    oidc_email_claim: str = Field(default="email", validation_alias="SUMMIT_OIDC_EMAIL_CLAIM", min_length=1)
    oidc_name_claim: str = Field(default="name", validation_alias="SUMMIT_OIDC_NAME_CLAIM", min_length=1)
    oidc_provision: Literal["CUSTOMER", "AGENT", "LEAD", "ADMIN"] | None = Field(
        default=None, validation_alias="SUMMIT_OIDC_PROVISION"
    )

    job_kinds: str = Field(default="", validation_alias="SUMMIT_JOB_KINDS")
    """The kinds of jobs that this API process runs, with commas between; all of them unless given."""
    job_interval_seconds: float = Field(default=1.0, validation_alias="SUMMIT_JOB_INTERVAL", gt=0)
    measures_interval_seconds: float = Field(default=10.0, validation_alias="SUMMIT_MEASURES_INTERVAL", gt=0)

    postgres: PostgresSettings = Field(default_factory=PostgresSettings)

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("allow_targets")
    @classmethod
    def _networks(cls, value: str) -> str:
        Targets.read(value)
        return value

    @field_validator("mail_from")
    @classmethod
    def _address(cls, value: str) -> str:
        if not ADDRESS.fullmatch(value):
            raise ValueError("must be a plain address such as support@example.com")
        return value

    @field_validator("mail_listen")
    @classmethod
    def _place(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and not (host and port.isdigit() and 1 <= int(port) <= 65535):
            raise ValueError("must be a host and a port, such as 127.0.0.1:2525")
        return value

    @field_validator("public_url", "portal_url")
    @classmethod
    def _no_slash(cls, value: str | None) -> str | None:
        return value and value.rstrip("/")

    @field_validator(
        "redis_host",
        "redis_password",
        "secret",
        "payload_key",
        "smtp_host",
        "smtp_user",
        "smtp_password",
        "smtp_ca_file",
        "portal_url",
        "mail_authserv",
        "oidc_issuer",
        "oidc_audience",
        "oidc_jwks_url",
        "oidc_client_id",
        "oidc_tenant",
        "oidc_tenant_claim",
        "oidc_provision",
        mode="before",
    )
    @classmethod
    def _blank_is_absent(cls, value: object) -> object:
        # Compose files pass optional variables on as empty strings.
        return None if value == "" else value

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_SECRET_LENGTH:
            raise ValueError(f"must have at least {MIN_SECRET_LENGTH} characters")
        return value

    @model_validator(mode="after")
    def _whole_oidc(self) -> Self:
        if self.oidc_issuer is None:
            return self
        if self.oidc_audience is None:
            raise ValueError("SUMMIT_OIDC_ISSUER needs SUMMIT_OIDC_AUDIENCE: tokens for others must not be taken")
        if (self.oidc_tenant is None) == (self.oidc_tenant_claim is None):
            raise ValueError("SUMMIT_OIDC_ISSUER needs one of SUMMIT_OIDC_TENANT and SUMMIT_OIDC_TENANT_CLAIM")
        schemes = ("https://",) if self.environment == "production" else ("https://", "http://")
        for url in (self.oidc_issuer, self.oidc_jwks_url):
            if url is not None and not url.startswith(schemes):
                raise ValueError(f"SUMMIT_OIDC_ISSUER and _JWKS_URL must begin with {' or '.join(schemes)}: {url}")
        return self

    def require_secret(self) -> str:
        """The key that signs tokens and cursors; raises ValueError where it is not set."""
        if self.secret is None:
            raise ValueError("SUMMIT_SECRET is not set: it signs tokens and must be the same for every API process")
        return self.secret.get_secret_value()


def _quote(text: str) -> str:
    return quote(text, safe="")


def _options(role: str | None, joiner: str) -> str:
    return f"{joiner}options={_quote(f'-c role={role}')}" if role else ""
