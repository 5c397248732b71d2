#include "core/launch.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr int64_t kMostProcesses = 1 << 20;
constexpr int64_t kLongestPatience = 86400;
constexpr uint16_t kUsualPort = 29500;  // PyTorch's
// Slurm's numbers of steps that srun did not start: batch scripts and so on.
constexpr int64_t kSpecialSteps = 0xfffffff0;

/// Names of the variables of one launcher.
struct Names {
  const char* launcher;
  const char* rank;
  const char* size;
  const char* local_rank;
  const char* local_size;
};

constexpr Names kNames[] = {
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
     "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"MPI", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
    {"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID",
     "SLURM_NTASKS_PER_NODE"},
};

class Reader {
 public:
  explicit Reader(const Environment& environment) : environment_(environment) {}

  bool has(const std::string& name) const {
    return environment_.contains(name);
  }
  std::string text(const std::string& name) const {
    const auto found = environment_.find(name);
    return found == environment_.end() ? "" : found->second;
  }
  /// Throws UsageError when it is there and no number in [0, most].
  std::optional<int64_t> number(const std::string& name, int64_t most) const {
    if (!has(name)) return std::nullopt;
    const std::string& value = environment_.at(name);
    int64_t number = -1;
    const char* const end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, number);
    if (error == std::errc() && stop == end && number >= 0 && number <= most) {
      return number;
    }
    throw UsageError(name + "='" + printable(value) +
                     "': no number from 0 to " + std::to_string(most));
  }

 private:
  const Environment& environment_;
};

// Batch and interactive shells of a job have a rank, too, but are no launch.
bool launched(const Reader& reader, const Names& names) {
  if (std::string_view(names.launcher) != "Slurm") {
    return reader.has(names.rank) && reader.has(names.size);
  }
  const auto step = reader.number("SLURM_STEP_ID", UINT32_MAX);
  return reader.has(names.rank) && reader.has(names.size) && step &&
         *step < kSpecialSteps;
}

std::string address_of(const Reader& reader, const Launch& launch) {
  const std::string given = reader.text("MASTER_ADDR");
  if (!given.empty()) return given;
  for (const char* name : {"SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"}) {
    const std::string host = first_host(reader.text(name));
    if (!host.empty()) return host;
  }
  return launch.local_size == launch.size ? "127.0.0.1" : "";
}

uint16_t port_of(const Reader& reader) {
  const auto given = reader.number("MASTER_PORT", UINT16_MAX);
  if (given && *given > 0) return static_cast<uint16_t>(*given);
  // Below those that systems give away: another one for every job and step.
  constexpr int64_t first = 20000;
  constexpr int64_t many = 12000;
  const auto job = reader.number("SLURM_JOB_ID", UINT32_MAX);
  if (!job) return kUsualPort;
  const int64_t step =
      reader.number("SLURM_STEP_ID", UINT32_MAX).value_or(int64_t{0});
  return static_cast<uint16_t>(first + (*job + step) % many);
}

std::string run_of(const Reader& reader) {
  std::vector<std::string> parts;
  for (const char* name :
       {"TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "SLURM_JOB_ID",
        "SLURM_STEP_ID", "SLURM_RESTART_COUNT"}) {
    const std::string text = reader.text(name);
    if (!text.empty()) parts.push_back(text);
  }
  return join(parts, ".");
}

Launch read(const Reader& reader, const Names& names) {
  Launch launch;
  launch.rank = *reader.number(names.rank, kMostProcesses);
  launch.size = *reader.number(names.size, kMostProcesses);
  if (launch.rank >= launch.size) {
    throw UsageError(std::string(names.rank) + " is " +
                     std::to_string(launch.rank) + ", but " + names.size + " " +
                     std::to_string(launch.size));
  }
  if (launch.size == 1) return {};
  launch.launcher = names.launcher;
  launch.variable = names.rank;
  launch.local_rank =
      reader.number(names.local_rank, kMostProcesses).value_or(launch.rank);
  launch.local_size =
      reader.number(names.local_size, kMostProcesses).value_or(0);
  launch.address = address_of(reader, launch);
  launch.port = port_of(reader);
  const bool agent = reader.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  launch.hosts_store = launch.rank == 0 && !agent;
  const auto patience = reader.number("SOUP_CONNECT_TIMEOUT", kLongestPatience);
  // To PyTorch none at all would be no end of it.
  if (patience) launch.patience = std::max<int64_t>(*patience, 1);
  launch.run = run_of(reader);
  return launch;
}

}  // namespace

Environment environment() {
  Environment all;
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string_view text = *one;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    all.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return all;
}

Launch read_launch(const Environment& environment) {
  const Reader reader(environment);
  for (const Names& names : kNames) {
    if (launched(reader, names)) return read(reader, names);
  }
  return {};
}

std::vector<std::string> size_variables() {
  std::vector<std::string> all;
  for (const Names& names : kNames) all.emplace_back(names.size);
  return all;
}

std::string first_host(const std::string& list) {
  std::string host;
  for (size_t i = 0; i < list.size() && list[i] != ','; ++i) {
    if (list[i] != '[') {
      host += list[i];
      continue;
    }
    const size_t end = list.find_first_of(",-]", i);
    host += list.substr(i + 1, end - i - 1);
    i = std::min(list.find(']', i), list.size());
  }
  return host;
}

}  // namespace soup
