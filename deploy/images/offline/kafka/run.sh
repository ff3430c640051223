#!/usr/bin/env bash
# As the public image's: Kafka's own wrapper makes the configuration of the variables KAFKA_… and formats the storage
# at the first start, then the broker runs.
set -euo pipefail

# The wrapper fails where there is nothing to format any more, after it has written the configuration.
said=$(java -cp '/opt/kafka/libs/*' -XX:TieredStopAtLevel=1 -Xmx256m kafka.docker.KafkaDockerWrapper setup \
  --default-configs-dir /etc/kafka/docker --mounted-configs-dir /mnt/shared/config \
  --final-configs-dir /opt/kafka/config 2>&1) || grep -q 'already formatted' <<<"$said" || {
  printf '%s\n' "$said" >&2
  exit 1
}

read -ra heap <<<"${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G}"
read -ra performance <<<"${KAFKA_JVM_PERFORMANCE_OPTS:--server -XX:+UseG1GC -XX:MaxGCPauseMillis=20}"
exec java "${heap[@]}" "${performance[@]}" -Djava.awt.headless=true -cp '/opt/kafka/libs/*' \
  -Dlog4j2.configurationFile=/opt/kafka/config/log4j2.yaml kafka.Kafka /opt/kafka/config/server.properties
