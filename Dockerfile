# syntax=docker/dockerfile:1
# bdash as one static binary, without a shell, not as root.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=docker
# Folders that volumes are mounted on: a new named volume takes over their owner.
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/bdash ./cmd/bdash \
 && mkdir -p /out/data /out/secrets /out/tmp

# The same with PostgreSQL's client programs, for backups: docker build --target tools
FROM debian:bookworm-slim AS tools
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates postgresql-client-15 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/bdash /bdash
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
ENV DATA_DIR=/data
VOLUME /data
ENTRYPOINT ["/bdash"]
CMD ["worker"]

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/bdash /bdash
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/secrets /secrets
COPY --from=build --chown=65532:65532 /out/tmp /tmp
USER 65532:65532
WORKDIR /data
ENV DATA_DIR=/data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s CMD ["/bdash", "healthcheck"]
ENTRYPOINT ["/bdash"]
CMD ["serve"]
