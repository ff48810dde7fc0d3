// The names of all metrics, documented in docs/METRICS.md. A handful of labels with few values each: kind of request,
// acknowledgement level, pool. Nothing per topic or partition.

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sstream>

#include "broker/status_server.h"
#include "runtime/rpc/method.h"

namespace ironbark::broker {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Families {
  public:
    MetricFamily& add(const char* name, const char* help, MetricType type) {
        families_.push_back({name, help, type, {}});
        return families_.back();
    }
    void counter(const char* name, const char* help, double value) {
        add(name, help, MetricType::Counter).metric.push_back(plain(MetricType::Counter, value));
    }
    void gauge(const char* name, const char* help, double value) {
        add(name, help, MetricType::Gauge).metric.push_back(plain(MetricType::Gauge, value));
    }
    static ClientMetric plain(MetricType type, double value, std::vector<ClientMetric::Label> labels = {}) {
        ClientMetric metric;
        metric.label = std::move(labels);
        (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
        return metric;
    }
    static ClientMetric histogram(const DurationHistogram& from, std::vector<ClientMetric::Label> labels = {}) {
        ClientMetric metric;
        metric.label = std::move(labels);
        uint64_t cumulative = 0;
        for (size_t bucket = 0; bucket < DurationHistogram::bucket_count; ++bucket) {
            cumulative += from.buckets()[bucket];
            metric.histogram.bucket.push_back({cumulative, DurationHistogram::upper_bound_seconds(bucket)});
        }
        metric.histogram.sample_count = from.count();
        metric.histogram.sample_sum = from.sum_seconds();
        return metric;
    }
    std::string text() const {
        std::ostringstream out;
        prometheus::TextSerializer().Serialize(out, families_);
        return out.str();
    }

  private:
    std::vector<MetricFamily> families_;
};

double number(uint64_t value) {
    return static_cast<double>(value);
}

void add_requests(Families& families, const ShardMetrics& metrics) {
    MetricFamily& produce =
        families.add("ironbark_produce_seconds", "time to acknowledge a batch, by level", MetricType::Histogram);
    for (size_t level = 1; level < level_count; ++level) {
        if (metrics.produce[level].count() == 0) continue;
        const char* text = wire::EnumNameAckLevel(static_cast<wire::AckLevel>(level));
        produce.metric.push_back(Families::histogram(metrics.produce[level], {{"level", text}}));
    }
    MetricFamily& requests = families.add(
        "ironbark_request_seconds", "time to answer a request other than produce, by kind", MetricType::Histogram);
    for (size_t method = 1; method < method_count; ++method) {
        if (metrics.requests[method].count() == 0) continue;
        const char* text = wire::EnumNameMethod(static_cast<wire::Method>(method));
        requests.metric.push_back(Families::histogram(metrics.requests[method], {{"kind", text}}));
    }
    MetricFamily& errors =
        families.add("ironbark_request_errors_total", "requests refused as a whole, by kind", MetricType::Counter);
    for (const rpc::MethodLimits& row : rpc::all_methods()) {
        if (row.audience != rpc::Audience::clients) continue;
        const size_t method = static_cast<size_t>(row.method);
        errors.metric.push_back(
            Families::plain(MetricType::Counter, number(metrics.errors[method]), {{"kind", row.name}}));
    }
    families.counter("ironbark_records_in_total", "records appended", number(metrics.records_in));
    families.counter("ironbark_bytes_in_total", "bytes of batches appended, frames included", number(metrics.bytes_in));
    families.counter("ironbark_bytes_out_total", "bytes of batches sent to readers, frames included",
                     number(metrics.bytes_out));
    families.counter("ironbark_batches_refused_total", "batches that were not acknowledged",
                     number(metrics.batches_refused));
    families.counter("ironbark_batches_duplicate_total", "batches sent again, answered with their first receipt",
                     number(metrics.duplicates));
    families.counter("ironbark_batches_behind_gap_total",
                     "batches in front of which their producer has lost acknowledged records",
                     number(metrics.behind_gap));
}

void add_storage(Families& families, const ShardStatus& status) {
    families.add("ironbark_log_write_seconds", "time of a write round", MetricType::Histogram)
        .metric.push_back(Families::histogram(status.metrics.write));
    families.add("ironbark_log_sync_seconds", "time of a synced write round, write and sync", MetricType::Histogram)
        .metric.push_back(Families::histogram(status.metrics.sync));
    families.gauge("ironbark_log_unsynced_bytes", "accepted and not yet synced", number(status.unsynced_bytes));
    families.gauge("ironbark_log_unsynced_age_seconds", "age of the oldest byte that is not yet synced",
                   static_cast<double>(status.unsynced_age.count()) / 1e9);
    const log::LogCounters& logs = status.logs;
    families.counter("ironbark_log_appended_bytes_total", "bytes appended in memory", number(logs.appended_bytes));
    families.counter("ironbark_log_written_bytes_total", "bytes written, pads included", number(logs.written_bytes));
    families.counter("ironbark_log_pad_bytes_total", "bytes of pads among them", number(logs.pad_bytes));
    families.counter("ironbark_log_rounds_total", "write rounds", number(logs.rounds));
    families.counter("ironbark_log_rounds_synced_total", "of them, those that were synced", number(logs.rounds_synced));
    families.counter("ironbark_log_read_memory_bytes_total", "bytes read from memory", number(logs.reads_memory_bytes));
    families.counter("ironbark_log_read_disk_bytes_total", "bytes read from disk", number(logs.reads_disk_bytes));
    families.counter("ironbark_log_segments_created_total", "segment files made", number(logs.segments_created));
    families.counter("ironbark_log_segments_reused_total", "segments in files that were used before",
                     number(logs.segments_reused));
    families.counter("ironbark_log_segments_removed_total", "segments removed", number(logs.segments_removed));
    families.counter("ironbark_log_corrupt_reads_total", "reads of bytes that fail their checksum",
                     number(logs.corrupt_reads));
    families.counter("ironbark_log_torn_recoveries_total", "logs whose last write had been torn by a crash",
                     number(logs.torn_recoveries));
    families.counter("ironbark_log_cut_records_total", "records moved to graveyards", number(logs.cut_records));
    families.counter("ironbark_log_failures_total", "logs that failed at a write or sync", number(logs.logs_failed));
    families.gauge("ironbark_disk_free_bytes", "of the data directory's file system", number(status.space.free_bytes));
    families.gauge("ironbark_disk_total_bytes", "of the data directory's file system",
                   number(status.space.total_bytes));
    families.gauge("ironbark_disk_full", "1 while records are refused because only the reserve is left",
                   status.storage_full ? 1 : 0);
}

void add_ring(Families& families, const IoCounters& io) {
    families.counter("ironbark_uring_submits_total", "system calls that carried operations", number(io.submits));
    families.counter("ironbark_uring_operations_total", "operations given to the ring", number(io.operations));
    families.counter("ironbark_uring_waits_total", "system calls that only looked or waited", number(io.waits));
    families.counter("ironbark_uring_syncs_total", "synced writes and syncs", number(io.syncs));
    families.counter("ironbark_uring_punts_total", "operations of a kind that goes to a kernel worker",
                     number(io.punts));
    families.counter("ironbark_uring_short_reads_total", "reads that gave less than asked", number(io.short_reads));
    families.counter("ironbark_uring_short_writes_total", "writes that took less than given", number(io.short_writes));
    families.counter("ironbark_uring_retries_total", "operations that the kernel refused for the moment",
                     number(io.retries));
    families.counter("ironbark_uring_overflows_total", "completions that found the queue full", number(io.overflows));
}

void add_replication(Families& families, const ShardStatus& shards) {
    const ReplicationStatus& status = shards.replication;
    families.gauge("ironbark_partitions_led", "partitions that this broker leads", number(status.led));
    families.gauge("ironbark_partitions_not_all_in_sync", "of them, those with a replica that is not in sync",
                   number(status.not_all_in_sync));
    families.gauge("ironbark_partitions_below_min_in_sync", "of them, those that refuse the isr levels",
                   number(status.below_min_in_sync));
    families.gauge("ironbark_records_on_no_disk", "of partitions led here: what a power cut of all would take now",
                   number(status.records_on_no_disk));
    families.gauge("ironbark_records_on_one_disk", "of partitions led here: records that one disk has at most",
                   number(status.records_on_one_disk));
    families.gauge("ironbark_replication_lag_records", "the most that a replica of a partition led here lacks",
                   number(status.lag_records_max));
    families.gauge("ironbark_replica_problems", "replicas here that are not available, or not taken over",
                   number(shards.problem_count));
    families.counter("ironbark_leaderships_total", "leaderships begun", number(shards.metrics.leaderships_begun));
    families.counter("ironbark_replicas_joined_total", "replicas that joined the in-sync set of a partition led here",
                     number(shards.metrics.replicas_joined));
    families.counter("ironbark_replicas_left_total", "replicas that left one", number(shards.metrics.replicas_left));
    families.counter("ironbark_replication_in_bytes_total", "bytes of batches taken over from leaders",
                     number(status.counters.bytes_in));
    families.counter("ironbark_replication_out_bytes_total", "bytes of batches given to followers",
                     number(shards.metrics.replication_bytes_out));
    families.counter("ironbark_replication_sessions_lost_total", "sessions with leaders that ended",
                     number(status.counters.sessions_lost));
    families.counter("ironbark_replica_cuts_total", "cuts of replicas whose leader had something else",
                     number(status.counters.cuts));
    families.counter("ironbark_replica_catch_ups_total", "replicas that were far behind their leader",
                     number(status.counters.catch_ups));
    families.counter("ironbark_replica_restarts_total", "replicas begun anew at their leader's log start",
                     number(status.counters.restarts));
}

void add_control(Families& families, const ControlStatus& control) {
    families.gauge("ironbark_lease_left_seconds", "for so long this broker may acknowledge what it alone has",
                   static_cast<double>(control.lease_left.count()) / 1e9);
    families.add("ironbark_heartbeat_seconds", "a heartbeat to the active controller and back", MetricType::Histogram)
        .metric.push_back(Families::histogram(control.heartbeats));
    families.gauge("ironbark_metadata_version", "of the metadata that this broker knows",
                   static_cast<double>(control.metadata_version));
    if (!control.is_voter) return;
    families.gauge("ironbark_controller_active", "1 on the active controller", control.is_active_controller ? 1 : 0);
    families.gauge("ironbark_controller_term", "of this voter", number(control.controller_term));
    families.gauge("ironbark_controller_commit_index", "up to which this voter knows the log to be committed",
                   number(control.controller_commit));
    families.gauge("ironbark_controller_log_bytes", "of this voter's log since its last snapshot",
                   number(control.controller_log_bytes));
    families.counter("ironbark_controller_activations_total", "how often this voter became the active controller",
                     number(control.activations));
    families
        .add("ironbark_controller_commit_seconds", "a command of the active controller, until it was applied",
             MetricType::Histogram)
        .metric.push_back(Families::histogram(control.commits));
    families.gauge("ironbark_brokers_alive", "as the active controller has it", number(control.brokers_alive));
    families.gauge("ironbark_brokers_gone", "as the active controller has it", number(control.brokers_gone));
    families.gauge("ironbark_partitions_without_leader", "as the active controller has it",
                   number(control.partitions_without_leader));
}

}  // namespace

std::string metrics_text(const BrokerFacts& facts,
                         const ShardStatus& status,
                         const ControlStatus& control,
                         int64_t now_ms) {
    Families families;
    families.add("ironbark_info", "version and world of this broker", MetricType::Gauge)
        .metric.push_back(Families::plain(MetricType::Gauge, 1, {{"version", facts.version}, {"io", facts.io_world}}));
    families.gauge("ironbark_uptime_seconds", "time since the start",
                   static_cast<double>(now_ms - facts.started.milliseconds) / 1e3);
    families.gauge("ironbark_partitions", "partitions on this broker", number(status.partitions));
    families.gauge("ironbark_partitions_failed", "of them, those that are not available",
                   number(status.partitions_failed));
    add_requests(families, status.metrics);
    add_storage(families, status);
    add_replication(families, status);
    add_control(families, control);
    if (facts.io_world == "io_uring") add_ring(families, status.io);
    families.gauge("ironbark_connections", "client connections", number(status.connections));
    families.counter("ironbark_connections_accepted_total", "client connections ever",
                     number(status.rpc.connections_accepted));
    MetricFamily& refused =
        families.add("ironbark_connections_refused_total",
                     "connections closed and requests refused for bad bytes or limits", MetricType::Counter);
    for (size_t reason = 0; reason < status.rpc.refused.size(); ++reason) {
        refused.metric.push_back(Families::plain(MetricType::Counter, number(status.rpc.refused[reason]),
                                                 {{"reason", rpc::name(static_cast<rpc::Refusal>(reason))}}));
    }
    families.counter("ironbark_memory_wait_seconds_total",
                     "time that connections were not read because memory was short",
                     static_cast<double>(status.blocked_on_memory.count()) / 1e9);
    MetricFamily& used = families.add("ironbark_memory_used_bytes", "by pool", MetricType::Gauge);
    for (const PoolStatus& pool : status.pools) {
        used.metric.push_back(Families::plain(MetricType::Gauge, number(pool.used_bytes), {{"pool", pool.name}}));
    }
    MetricFamily& limit = families.add("ironbark_memory_limit_bytes", "of the pools that have one", MetricType::Gauge);
    for (const PoolStatus& pool : status.pools) {
        if (pool.limit_bytes == 0) continue;
        limit.metric.push_back(Families::plain(MetricType::Gauge, number(pool.limit_bytes), {{"pool", pool.name}}));
    }
    return families.text();
}

}  // namespace ironbark::broker
