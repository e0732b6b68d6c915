"""``/v1/files``: what came in, and what became of it."""

from typing import Annotated

from litestar import get
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from evitals.fleet.records import FileRecord, FileState
from evitals.service.routes import documented as doc
from evitals.service.routes.context import Call, service_of
from evitals.service.routes.queries import Limit, Offset
from evitals.service.schemas import FileReply, FilesReply, time_of

State = Annotated[
    FileState | None,
    QueryParameter(
        name="state", description="Only files in this state", examples=[Example(value="stored")]
    ),
]


@get(
    "/v1/files",
    tags=["intake"],
    summary="Files and messages that came in",
    sync_to_thread=True,
    responses={200: doc.replies(FilesReply, "A page of intake")} | doc.problems(422, 503),
)
def files(
    request: Call, in_state: State = None, offset: Offset = 0, limit: Limit = 100
) -> FilesReply:
    """Stored, repeated, held for a vehicle's description, or quarantined, each with its reason."""
    store = service_of(request).store
    rows = store.files(in_state or "", offset, limit)
    return FilesReply(files=[file_reply(row) for row in rows], counts=store.file_counts())


def file_reply(record: FileRecord) -> FileReply:
    """A file's record as the API shows it."""
    return FileReply(
        digest=record.digest,
        name=record.name,
        state=record.state,
        reason=record.reason,
        size_bytes=record.size_bytes,
        received_time=time_of(record.received_s),
        vehicle_id=record.vehicle_id,
        trips=record.trips,
    )
