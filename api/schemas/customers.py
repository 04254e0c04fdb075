"""Customer accounts on the wire."""

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from api.schemas.common import Body, Currency, Day, Domain, Line, Money, OwnTenant, Resource, TimeZone, left_out
from domain.customers import Tier, distinct, money

Domains = Annotated[list[Domain], Field(max_length=100, examples=[["acme.example"]]), AfterValidator(distinct)]


class AccountView(Resource):
    """A customer account; its people are known by their mail domains."""

    name: str
    tier: Tier
    domains: list[str]
    time_zone: str
    monthly_fee: Annotated[Money, Field(examples=["1500.00"])]
    currency: str
    csm_id: UUID | None
    tam_id: UUID | None
    renewal_date: date | None


class CreateAccount(Body):
    """A new account."""

    tenant_id: OwnTenant | None = None
    name: Annotated[Line, Field(examples=["Acme Corporation"])]
    tier: Tier
    domains: Annotated[Domains, Field(default_factory=list)]
    time_zone: TimeZone = "UTC"
    currency: Currency = "USD"
    monthly_fee: Annotated[Money, Field(default="0", validate_default=True, examples=["1500.00"])]
    csm_id: UUID | None = None
    tam_id: UUID | None = None
    renewal_date: Day | None = None

    @field_validator("monthly_fee")
    @classmethod
    def _in_its_currency(cls, amount: Decimal, info: ValidationInfo) -> Decimal:
        currency = info.data.get("currency")
        try:
            return money(amount, currency) if currency else amount
        except ValueError as error:
            raise PydanticCustomError("decimals", "{reason}", {"reason": str(error)}) from None


class ChangeAccount(Body):
    """What to change; what is left out stays."""

    name: Line = left_out()
    tier: Tier = left_out()
    domains: Domains = left_out()
    time_zone: TimeZone = left_out()
    monthly_fee: Money = left_out()
    currency: Currency = left_out()
    csm_id: UUID | None = None
    tam_id: UUID | None = None
    renewal_date: Day | None = None
