# SPDX-License-Identifier: Apache-2.0
"""People and parties: who may sign in, for whom they act, who pays for which connection."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models


class Language(models.TextChoices):
    INDONESIAN = "id", "Bahasa Indonesia"
    ENGLISH = "en", "English"


class Organisation(models.Model):
    """One of the three parties of the seed, or a customer's company."""

    class Kind(models.TextChoices):
        UTILITY = "UTILITY", "PLN"
        DATA_OPERATOR = "DATA_OPERATOR", "Data operator"
        MOBILE_OPERATOR = "MOBILE_OPERATOR", "Mobile operator"
        COMPANY = "COMPANY", "Customer's company"

    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind.choices)


class Unit(models.Model):
    """A part of an organisation: distribution unit, area, shop (gerai), crew."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="units")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=120)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "code"], name="people_unit_code")]


class AccountHolder(models.Model):
    """A person or company that answers for one or more customers (idpel), owns a wallet and a phone."""

    class Kind(models.TextChoices):
        HOUSEHOLD = "HOUSEHOLD", "Household"
        COMPANY = "COMPANY", "Company"

    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    organisation = models.ForeignKey(Organisation, null=True, on_delete=models.PROTECT)
    language = models.CharField(max_length=2, choices=Language.choices)
    pin_hash = models.CharField(max_length=128, blank=True)
    pin_failures = models.PositiveSmallIntegerField(default=0)
    pin_locked_until_at = models.DateTimeField(null=True)


class Customer(models.Model):
    """One connection contract; `idpel` is PLN's 12-digit customer id and stays untranslated."""

    idpel = models.CharField(max_length=12, unique=True)
    name = models.CharField(max_length=120)
    holder = models.ForeignKey(AccountHolder, on_delete=models.PROTECT, related_name="customers")


class LoginManager(BaseUserManager["Login"]):
    def create_user(self, username: str, password: str | None = None, **fields: object) -> Login:
        login = self.model(username=username, **fields)
        login.set_password(password)
        login.save(using=self._db)
        return login


class Login(AbstractBaseUser, PermissionsMixin):
    """A way to sign in. What it may do comes from its memberships."""

    username = models.CharField(max_length=60, unique=True)
    display_name = models.CharField(max_length=120, blank=True)
    language = models.CharField(max_length=2, choices=Language.choices, default=Language.INDONESIAN)
    holder = models.ForeignKey(AccountHolder, null=True, on_delete=models.PROTECT, related_name="logins")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)

    objects: ClassVar[LoginManager] = LoginManager()

    USERNAME_FIELD = "username"


class Membership(models.Model):
    """A role that a login holds in a unit (and in the units below it)."""

    class Role(models.TextChoices):
        VIEWER = "VIEWER", "Viewer"
        BUYER = "BUYER", "Buyer"
        OPERATOR = "OPERATOR", "Operator"
        APPROVER = "APPROVER", "Approver"
        ADMIN = "ADMIN", "Administrator"

    login = models.ForeignKey(Login, on_delete=models.CASCADE, related_name="memberships")
    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["login", "unit", "role"], name="people_membership_once")]


class Approval(models.Model):
    """A dangerous deed asked for by one person, to be decided by a second one before it expires."""

    class State(models.TextChoices):
        REQUESTED = "REQUESTED", "Requested"
        APPROVED = "APPROVED", "Approved"
        REFUSED = "REFUSED", "Refused"
        EXPIRED = "EXPIRED", "Expired"
        USED = "USED", "Used"

    verb = models.CharField(max_length=60)
    subject = models.CharField(max_length=120)
    detail = models.JSONField()
    reason = models.CharField(max_length=400)
    state = models.CharField(max_length=20, choices=State.choices)
    requested_by = models.ForeignKey(Login, on_delete=models.PROTECT, related_name="approvals_requested")
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_by = models.ForeignKey(Login, null=True, on_delete=models.PROTECT, related_name="approvals_decided")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(decided_by=None) | ~models.Q(decided_by=models.F("requested_by")),
                name="people_approval_second_person",
            )
        ]


class APIKey(models.Model):
    """A key by which a program acts for an account holder. Only its SHA-256 is kept."""

    holder = models.ForeignKey(AccountHolder, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=60)
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(help_text="Business time")
    revoked_at = models.DateTimeField(null=True, help_text="Business time")


class OperatorKey(models.Model):
    """A key by which a vending operator's program asks for STS tokens. Only its SHA-256 is kept."""

    class Scope(models.TextChoices):
        ISSUE = "sts:issue", "Credit tokens (class 0)"
        ENGINEERING = "sts:engineering", "Tests and settings (classes 1 and 2)"
        DECODE = "sts:decode", "Read tokens"

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="operator_keys")
    unit = models.ForeignKey(Unit, null=True, on_delete=models.PROTECT, related_name="operator_keys")
    name = models.CharField(max_length=60)
    digest = models.BinaryField(max_length=32, unique=True)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices), help_text="What it may ask for")
    registers = ArrayField(models.CharField(max_length=40), help_text="Names of the key registers it may use")
    created_at = models.DateTimeField(help_text="Business time")
    revoked_at = models.DateTimeField(null=True, help_text="Business time")
