"""The drive, where media lives, and the inbox, where files may be dropped to be worked on."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.nag import accept
from infra.settings import Settings

STAGING_DAYS = 2
"""A generation is over within a day; what it staged is of no use afterwards."""
DOWNLOAD_DAYS = 1
"""An export on request is fetched by a URL that lives an hour. (Daily exports, under `exports/`, stay.)"""
INBOX_DAYS = 30


class Buckets(Construct):
    """Both buckets: private, reached over TLS only, without ACLs, encrypted with S3's keys."""

    def __init__(self, scope: Construct, settings: Settings) -> None:
        super().__init__(scope, "Buckets")
        self.drive = self._bucket(
            "Drive",
            settings,
            cors=[
                s3.CorsRule(
                    allowed_methods=[s3.HttpMethods.GET, s3.HttpMethods.HEAD, s3.HttpMethods.PUT],
                    allowed_origins=list(settings.browser_origins),
                    allowed_headers=["*"],
                    exposed_headers=["ETag", "Content-Range"],
                    max_age=3600,
                )
            ],
            lifecycle_rules=[
                s3.LifecycleRule(id="staging", prefix="staging/", expiration=Duration.days(STAGING_DAYS)),
                s3.LifecycleRule(id="downloads", prefix="downloads/", expiration=Duration.days(DOWNLOAD_DAYS)),
                _abandoned_uploads(),
            ],
        )
        self.inbox = self._bucket(
            "Inbox",
            settings,
            lifecycle_rules=[
                s3.LifecycleRule(id="taken", expiration=Duration.days(INBOX_DAYS)),
                _abandoned_uploads(),
            ],
        )

    def _bucket(
        self,
        name: str,
        settings: Settings,
        lifecycle_rules: list[s3.LifecycleRule],
        cors: list[s3.CorsRule] | None = None,
    ) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            name,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            removal_policy=RemovalPolicy.RETAIN if settings.retain_data else RemovalPolicy.DESTROY,
            lifecycle_rules=lifecycle_rules,
            cors=cors,
        )
        accept(
            bucket,
            {
                "AwsSolutions-S1": "People read and write by signed URLs, which the drive function logs with project "
                "and key when it gives them out; server access logs would add customers' addresses to keep."
            },
        )
        return bucket


def _abandoned_uploads() -> s3.LifecycleRule:
    return s3.LifecycleRule(id="abandoned-uploads", abort_incomplete_multipart_upload_after=Duration.days(1))
