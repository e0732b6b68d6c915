"""``create_app``: the whole service as one object, testable in process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from evitals import __version__
from evitals.dashboard.feed import Feed
from evitals.fleet.open import open_store
from evitals.service import direct, problems
from evitals.service.live import live_handlers
from evitals.service.metrics import Metrics
from evitals.service.pipeline import Pipeline
from evitals.service.predict import Predictor
from evitals.service.routes import HANDLERS
from evitals.service.routes.context import KnownVehicles, Service
from evitals.service.watch import Watch
from evitals.settings import Settings

ABOUT = (
    "Trips in, battery health out. Current and power are positive while charging; soc and soh "
    "are fractions; times are UTC. Refusals are RFC 9457 problem details."
)


def create_app(settings: Settings, *, watch: bool = True) -> Litestar:
    """The service as an ASGI app; its lifespan opens and closes all it works with.

    ``watch`` says whether it reads ``incoming/``. One app per home folder: it is the store's only
    writer. Starting raises StoreError where another process has the home.
    """
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.service = _start(settings, metrics, stack, watch)
            app.state.feed = app.state.service.feed
            yield

    app = Litestar(
        route_handlers=[*HANDLERS, *live_handlers],
        lifespan=[lifespan],
        exception_handlers=problems.HANDLERS,
        request_max_body_size=settings.max_request_bytes,
        openapi_config=OpenAPIConfig(
            title="evitals",
            version=__version__,
            description=ABOUT,
            path="/schema",
            use_handler_docstrings=True,
            render_plugins=[JsonRenderPlugin()],
        ),
        logging_config=None,
    )
    app.asgi_handler = direct.before(app, metrics.around(app.asgi_handler), metrics)
    return app


def _start(settings: Settings, metrics: Metrics, stack: AsyncExitStack, watching: bool) -> Service:
    """Open the store, then what writes to it; the stack closes them in reverse."""
    store = metrics.over(open_store(settings.home))
    stack.callback(store.close)
    feed = Feed(store, settings.live_interval_s)
    pipeline = Pipeline(store, settings)
    predictor = Predictor(settings)
    metrics.announce(predictor.model)
    folder = None
    if watching:
        folder = Watch(pipeline, settings)
        folder.start()
        stack.callback(folder.stop)
    return Service(
        settings=settings,
        metrics=metrics,
        store=store,
        pipeline=pipeline,
        predictor=predictor,
        feed=feed,
        known=KnownVehicles(store),
        watch=folder,
    )
