#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace soup {

using Environment = std::map<std::string, std::string>;

/// The variables of this process.
Environment environment();

/// What a launcher of several processes tells each of them.
struct Launch {
  std::string launcher = {};  ///< "torchrun", "Slurm", ...; empty: none
  std::string variable = {};  ///< that says the rank
  int64_t rank = 0;
  int64_t size = 1;  ///< processes
  int64_t local_rank = 0;
  int64_t local_size = 0;  ///< processes on this machine; 0: not known
  /// Host on which rank 0, or its agent, listens; empty: nothing says it.
  std::string address = {};
  uint16_t port = 0;
  bool hosts_store = false;  ///< this process listens there
  int64_t patience = 60;     ///< seconds to wait for who listens
  std::string run = {};      ///< tells this start from others of the same job
};

/// Reads what torchrun (also RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set
/// by hand), Open MPI's mpirun, MPICH's and Intel's mpiexec, or Slurm's srun
/// says, the first of these that says anything. One process alone is no launch.
/// MASTER_ADDR and MASTER_PORT count whoever launches; without the former it is
/// the first host of a Slurm job, or this one where all ranks are on it.
/// SOUP_CONNECT_TIMEOUT is the patience, in seconds.
/// Throws UsageError for variables that contradict each other.
Launch read_launch(const Environment& environment);

/// The variables that say, for any launcher, that there are several processes:
/// without them a program that one of these starts is one for itself.
std::vector<std::string> size_variables();

/// The first host of a list as Slurm writes it: node03 of "node[03-05,9],x1".
std::string first_host(const std::string& list);

}  // namespace soup
