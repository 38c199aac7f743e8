"""Vault: seals values, opens one for a permit, authenticates what is in clear.

What is stored in clear carries HMAC-SHA256 (RFC 2104) under a key of its own label:
HKDF-SHA256 (RFC 5869) of the newest data key of purpose `integrity`, without a salt,
with "keyrelay/authentication/1/" and the label as info, 32 bytes.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace

from keyrelay.model.policy.policy import Permit
from keyrelay.model.secret import OpenedSecret, SealedSecret, Secret, SecretValue
from keyrelay.model.token import Token
from keyrelay.vault.envelope import parse, seal, unseal
from keyrelay.vault.flaw import Flaw, unsealable
from keyrelay.vault.key import DataKey
from keyrelay.vault.keyring import Keyring, Purpose

# No type of secrets has this name: an envelope of the one never opens as the other.
TOKEN_TYPE = "analysis-token"  # noqa: S105 - a name, not a token

_AUTHENTICATION = "keyrelay/authentication/1/"


@dataclass(frozen=True, slots=True)
class Vault:
    """ports.Vault, and what commands need of it besides.

    While the vault is sealed, each method raises Unavailable and changes nothing.
    Data keys are held for minutes, values never: each opening decrypts again.
    """

    keyring: Keyring

    async def check(self) -> None:
        """Return if the vault can seal, open what it seals, and authenticate.

        Raises Unavailable otherwise, also while data keys are still held and the
        key-encryption key is gone: the vault will be sealed within minutes.
        """
        self.keyring.check()
        await self.unsealed()

    async def unsealed(self) -> None:
        """Return if secrets can be opened at this moment. Raises Unavailable."""
        for purpose in Purpose:
            await self.keyring.newest(purpose)

    async def seal(self, secret: Secret, value: SecretValue) -> bytes:
        """Return the value's envelope, which opens as exactly this secret only.

        Raises Unavailable, and ValueError for a value that is too large.
        """
        key = await self.keyring.newest(Purpose.SECRETS)
        return seal(key, self.keyring.store_id, secret, value)

    async def reseal(self, sealed: SealedSecret, changed: Secret) -> bytes:
        """Return an envelope of the same value under a new version and new tags.

        The caller never sees the value. Raises Unavailable or Unsealable, and
        ValueError if anything but version and tags differs.
        """
        value = await self._value(sealed.secret, sealed.envelope)
        return await self.seal(_same(sealed.secret, changed), value)

    async def open(self, permit: Permit) -> OpenedSecret:
        """Return the permitted secret. Raises Unavailable or Unsealable."""
        sealed = permit.sealed
        value = await self._value(sealed.secret, sealed.envelope)
        return OpenedSecret(secret=sealed.secret, value=value)

    async def verify(self, sealed: SealedSecret) -> None:
        """Raise what `open` would raise, without handing out the value."""
        await self._value(sealed.secret, sealed.envelope)

    async def seal_token(self, token: Token, plaintext: SecretValue) -> bytes:
        """Return the envelope of the plaintext of an analysis' token.

        Raises Unavailable, and ValueError for the token of another kind.
        """
        return await self.seal(_as_secret(token), plaintext)

    async def open_token(self, token: Token, envelope: bytes) -> SecretValue:
        """Return the plaintext that was sealed for this token; a secret never opens.

        No policy is asked: the caller records to what it is shown. Raises Unavailable
        or Unsealable, and ValueError as `seal_token` does.
        """
        return await self._value(_as_secret(token), envelope)

    async def authenticator(self, label: str) -> Callable[[bytes], bytes]:
        """Return HMAC-SHA256 under a key that is derived for this label alone.

        The function holds that key: do not keep it longer than the keyring would.
        """
        return authenticator(await self.keyring.newest(Purpose.INTEGRITY), label)

    async def _value(self, secret: Secret, sealed: bytes) -> SecretValue:
        envelope = parse(sealed)
        if isinstance(envelope, Flaw):
            raise unsealable(envelope)
        key = await self.keyring.find(envelope.data_key, Purpose.SECRETS)
        if key is None:
            raise unsealable(Flaw.DATA_KEY_MISSING)
        value = unseal(key, self.keyring.store_id, secret, envelope)
        if isinstance(value, Flaw):
            raise unsealable(value)
        return value


def authenticator(integrity: DataKey, label: str) -> Callable[[bytes], bytes]:
    """Return the HMAC-SHA256 of this data key and label: bytes to their 32-byte MAC."""
    key = integrity.key.derive(_AUTHENTICATION + label)

    # Not functools.partial, whose repr would show the key.
    def authenticate(message: bytes) -> bytes:
        return hmac.digest(key, message, "sha256")

    return authenticate


def _as_secret(token: Token) -> Secret:
    """Return what the envelope of a token's plaintext is bound to."""
    analysis = token.rights.analysis
    if analysis is None:
        raise ValueError("only the plaintexts of analysis tokens are sealed")
    return Secret(
        id=token.id,
        profile=token.profile,
        key=analysis,
        type=TOKEN_TYPE,
        version=1,
        tags=(),
    )


def _same(secret: Secret, changed: Secret) -> Secret:
    # Under another id or key, another policy would release the value.
    if replace(secret, version=changed.version, tags=changed.tags) != changed:
        raise ValueError("only the version and the tags of a sealed value may change")
    return changed
