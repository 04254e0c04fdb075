"""`python -m api.main`: the API process."""

import uvicorn

from api.app import create_app
from api.wire import Wire
from runtime import logs
from runtime.settings import Settings


def main() -> None:
    """Serve until SIGTERM or Ctrl-C; requests at hand are finished first."""
    settings = Settings()
    logs.configure(settings.log_level, "api")
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=Wire,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=30,
    )


if __name__ == "__main__":
    main()
