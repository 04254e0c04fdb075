"""The one way to reach Temporal: connection, payload conversion and encryption, telemetry, search attributes."""

import base64
import binascii
import dataclasses
import logging
import os
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import temporalio.activity
import temporalio.workflow
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec
from temporalio.envconfig import ClientConfig
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.service import KeepAliveConfig, RPCError, RPCStatusCode

from runtime.settings import Settings

SEARCH_ATTRIBUTES: dict[str, IndexedValueType.ValueType] = {
    "SupTenant": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "SupStatus": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "SupSeverity": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "SupTier": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "SupAssignee": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "SupEntity": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "SupBreached": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
    "SupNextDue": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}
"""Ids and enums only: search attributes stay readable when payloads are encrypted."""

LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]
_ENCODING = b"binary/encrypted"
_NONCE_BYTES = 12


class EncryptionCodec(PayloadCodec):
    """AES-GCM over whole payloads. The first key encrypts; the others only decrypt what earlier releases wrote."""

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        if not keys:
            raise ValueError("a codec needs at least one key")
        self._current = keys[0][0]
        self._ciphers = {kid: AESGCM(key) for kid, key in keys}

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload under a fresh nonce; the key id is authenticated with it."""
        kid, cipher = self._current, self._ciphers[self._current]
        encrypted = []
        for payload in payloads:
            nonce = os.urandom(_NONCE_BYTES)
            data = nonce + cipher.encrypt(nonce, payload.SerializeToString(), kid.encode())
            encrypted.append(Payload(metadata={"encoding": _ENCODING, "key-id": kid.encode()}, data=data))
        return encrypted

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what is encrypted and pass on what is not: histories from before encryption stay readable."""
        decoded = []
        for payload in payloads:
            if payload.metadata.get("encoding") != _ENCODING:
                decoded.append(payload)
                continue
            kid = payload.metadata["key-id"].decode()
            if kid not in self._ciphers:
                raise ValueError(f"payload key {kid!r} is not among SUMMIT_PAYLOAD_KEYS")
            nonce, data = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
            decoded.append(Payload.FromString(self._ciphers[kid].decrypt(nonce, data, kid.encode())))
        return decoded


def parse_payload_keys(text: str) -> list[tuple[str, bytes]]:
    """Read `kid:base64[,kid:base64…]`, the encrypting key first; ValueError without quoting any key."""
    keys: list[tuple[str, bytes]] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        kid, colon, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not colon or not kid or len(key) != 32:
            raise ValueError("SUMMIT_PAYLOAD_KEYS is `kid:base64,…`, each key 32 bytes in base64")
        keys.append((kid, key))
    if len({kid for kid, _ in keys}) != len(keys):
        raise ValueError("SUMMIT_PAYLOAD_KEYS names a key id twice")
    return keys


def data_converter(settings: Settings) -> DataConverter:
    """What client, worker and replayer must share; encrypts payloads and failures when keys are set."""
    if settings.payload_key is None:
        return pydantic_data_converter
    return dataclasses.replace(
        pydantic_data_converter,
        payload_codec=EncryptionCodec(parse_payload_keys(settings.payload_key.get_secret_value())),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


async def connect(settings: Settings, runtime: Runtime | None = None, *, lazy: bool = False) -> Client:
    """Connect as the TEMPORAL_* variables say; a `lazy` client (not for workers) connects at its first call."""
    config: dict[str, Any] = {"target_host": "localhost:7233", **ClientConfig.load_client_connect_config()}
    return await Client.connect(
        **config,
        data_converter=data_converter(settings),
        runtime=runtime,
        lazy=lazy,
        # Notices a server that vanished without closing the connection. Temporal's frontend cuts off who pings an idle connection
        # more often than every 10 s, and with it the polls of a worker that has nothing to do.
        keep_alive_config=KeepAliveConfig(interval_millis=12_000, timeout_millis=5_000),
    )


def telemetry(settings: Settings, *, metrics: bool = True) -> Runtime:
    """The SDK's runtime, one per process: Prometheus on the worker's port (unless off), core's logs as Python logs."""
    # The SDK would repeat these ids in each message; runtime.logs makes fields of them.
    temporalio.workflow.logger.workflow_info_on_message = False
    temporalio.activity.logger.activity_info_on_message = False
    prometheus = PrometheusConfig(
        bind_address=f"{settings.host}:{settings.worker_metrics_port}",
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides={
            f"temporal_{name}": LATENCY_BUCKETS
            for name in (
                "request_latency",
                "workflow_task_schedule_to_start_latency",
                "workflow_task_execution_latency",
                "workflow_task_replay_latency",
                "activity_schedule_to_start_latency",
                "activity_execution_latency",
                "local_activity_execution_latency",
            )
        },
    )
    return Runtime(
        telemetry=TelemetryConfig(
            logging=LoggingConfig(
                filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
                # Core's own console logger would write to stdout, outside our format.
                forwarding=LogForwardingConfig(logger=logging.getLogger("temporalio.core")),
            ),
            metrics=prometheus if metrics else None,
        )
    )


async def missing_search_attributes(client: Client) -> list[str]:
    """The names that the namespace does not know yet."""
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return _missing(known.custom_attributes)


async def ensure_search_attributes(client: Client) -> list[str]:
    """Register what is missing and return it; safe to repeat, also from two processes at once."""
    missing = await missing_search_attributes(client)
    if missing:
        request = AddSearchAttributesRequest(
            namespace=client.namespace, search_attributes={name: SEARCH_ATTRIBUTES[name] for name in missing}
        )
        try:
            await client.operator_service.add_search_attributes(request, timeout=timedelta(seconds=20))
        except RPCError as error:
            if error.status != RPCStatusCode.ALREADY_EXISTS:
                raise
    return missing


def _missing(known: Iterable[str]) -> list[str]:
    names = set(known)
    return [name for name in SEARCH_ATTRIBUTES if name not in names]
