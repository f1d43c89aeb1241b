"""Keys that SSM's Parameter Store or Secrets Manager keeps, fetched as text. The only place that asks these two.

What a function needs to be allowed is the one action on the one resource: `ssm:GetParameter` on the parameter, or
`secretsmanager:GetSecretValue` on the secret (whose ARN ends in six random characters). It needs nothing of KMS where
AWS's own keys encrypt: `aws/ssm` lets every principal of the account decrypt through Parameter Store
(https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-restrict-decryption.html), and with
`aws/secretsmanager` no permission to decrypt is asked for
(https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html). A key of one's own in KMS
needs `kms:Decrypt` on that key besides, and keeps the other principals of the account out.
"""

from __future__ import annotations

from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from chalicelib.errors import SettingsError, Unavailable
from chalicelib.references import Reference
from chalicelib.secret import Secret

NOT_THERE: Final = frozenset(
    {
        "InvalidParameterException",
        "InvalidRequestException",  # a secret that is marked for deletion, too
        "ParameterNotFound",
        "ParameterVersionNotFound",
        "ResourceNotFoundException",
        "ValidationException",
    }
)
DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "DecryptionFailure", "InvalidKeyId"})
ACTIONS: Final = {"ssm": "ssm:GetParameter", "secretsmanager": "secretsmanager:GetSecretValue"}


class Kept:
    """What a reference names; the client is made when it is first asked for. For one thread at a time."""

    def __init__(self, reference: Reference, region: str) -> None:
        self._reference = reference
        self._region = reference.region(region)
        self._client: Any = None

    def __call__(self) -> Secret:
        """The text that is kept there now.

        Raises SettingsError where AWS answers that there is none that could be used, Unavailable where it does not
        answer or does not let us ask.
        """
        named = f"{self._reference.variable} names {self._reference}"
        try:
            return Secret(self._text(named))
        except BotoCoreError as exc:
            raise Unavailable("The store of the keys") from exc
        except ClientError as exc:
            code = exc.response["Error"]["Code"]
            if code in NOT_THERE:
                sentence = f"{named}, and {self._region} has none to give ({code}): create it there, or name another."
                raise SettingsError((sentence,)) from exc
            if code in DENIED:
                raise Unavailable("The store of the keys") from SettingsError(
                    (
                        f"{named}, which this function may not read ({code}): allow its role"
                        f" {ACTIONS[self._reference.store]} on it, and kms:Decrypt if a key of your own encrypts it.",
                    )
                )
            raise Unavailable("The store of the keys") from exc

    def _text(self, named: str) -> str:
        if self._client is None:
            self._client = self._connected()
        if self._reference.store == "ssm":
            parameter = self._client.get_parameter(Name=self._reference.name, WithDecryption=True)["Parameter"]
            if self._reference.variable == "JWT_SECRET" and parameter["Type"] != "SecureString":
                raise SettingsError((f"{named}, which is a {parameter['Type']}: make it a SecureString.",))
            return str(parameter["Value"])
        answer = self._client.get_secret_value(SecretId=self._reference.name)  # of the stage AWSCURRENT
        if "SecretString" not in answer:
            raise SettingsError((f"{named}, which holds bytes: keep the key there as text.",))
        return str(answer["SecretString"])

    def _connected(self) -> Any:
        """A client whose time-outs fit API Gateway's 29 s, with a request to DynamoDB to come."""
        config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
        return get_session().create_client(self._reference.store, region_name=self._region, config=config)
