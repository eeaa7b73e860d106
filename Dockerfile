# syntax=docker/dockerfile:1

FROM rust:1-bookworm AS build
WORKDIR /src
# Dependencies first: they are built again only when a manifest, a crate or the catalog changes.
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY config config
# The benches stay outside of the image, and cargo refuses a manifest whose targets are not there.
RUN sed -i '/^\[\[bench\]\]/,/^$/d' Cargo.toml \
    && mkdir src && echo 'fn main() {}' >src/main.rs && touch src/lib.rs \
    && cargo build --locked --profile dist \
    && rm -rf src
COPY docs/openapi.json docs/openapi.json
COPY src src
# The stand-ins above are newer than the sources in the checkout; touching makes cargo look again.
RUN touch src/main.rs src/lib.rs && cargo build --locked --profile dist

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin paceline \
    && install -d -m 0700 -o paceline -g paceline /var/lib/paceline
COPY --from=build /src/target/dist/paceline /usr/local/bin/paceline
# Loads as it stands and changes nothing; a mounted file takes its place.
COPY config/paceline.toml /etc/paceline/paceline.toml
COPY examples /usr/share/paceline/examples
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/paceline/
USER paceline
WORKDIR /var/lib/paceline
VOLUME /var/lib/paceline
ENV PACELINE_CONFIG=/etc/paceline/paceline.toml
# 1 means dead or held jobs, which is for a person to look at and no reason to restart; 2 is a broken set-up.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s --retries=3 \
    CMD ["sh", "-c", "paceline status --json >/dev/null; test $? -lt 2"]
# SIGTERM drains: calls in flight end and are recorded.
STOPSIGNAL SIGTERM
ENTRYPOINT ["paceline"]
CMD ["work"]
