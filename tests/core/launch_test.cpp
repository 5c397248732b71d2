#include "core/launch.h"

#include <gtest/gtest.h>

#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

// As torchrun 2.11 sets them for the second of two processes on the first of
// two machines.
Environment of_torchrun() {
  return {{"RANK", "1"},
          {"WORLD_SIZE", "4"},
          {"LOCAL_RANK", "1"},
          {"LOCAL_WORLD_SIZE", "2"},
          {"GROUP_RANK", "0"},
          {"MASTER_ADDR", "node-a"},
          {"MASTER_PORT", "41234"},
          {"TORCHELASTIC_RESTART_COUNT", "3"},
          {"TORCHELASTIC_RUN_ID", "none"},
          {"TORCHELASTIC_USE_AGENT_STORE", "True"},
          {"OMP_NUM_THREADS", "1"}};
}

// As srun sets them (man srun, "OUTPUT ENVIRONMENT VARIABLES").
Environment of_slurm() {
  return {{"SLURM_JOB_ID", "1234567"},
          {"SLURM_STEP_ID", "2"},
          {"SLURM_PROCID", "0"},
          {"SLURM_NTASKS", "8"},
          {"SLURM_STEP_NUM_TASKS", "4"},
          {"SLURM_LOCALID", "0"},
          {"SLURM_JOB_NODELIST", "gpu[007-010,012]"},
          {"SLURM_STEP_NODELIST", "gpu[008-009]"}};
}

// As mpirun of Open MPI 4 and 5 sets them on one machine.
Environment of_open_mpi() {
  return {{"OMPI_COMM_WORLD_RANK", "2"},
          {"OMPI_COMM_WORLD_SIZE", "4"},
          {"OMPI_COMM_WORLD_LOCAL_RANK", "2"},
          {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}};
}

TEST(Launch, NothingSaidIsOneProcess) {
  for (const Environment& environment :
       {Environment{}, {{"RANK", "0"}}, {{"RANK", "0"}, {"WORLD_SIZE", "1"}}}) {
    const Launch launch = read_launch(environment);
    EXPECT_EQ(launch.launcher, "");
    EXPECT_EQ(launch.rank, 0);
    EXPECT_EQ(launch.size, 1);
    EXPECT_FALSE(launch.hosts_store);
  }
}

TEST(Launch, ReadsTorchrun) {
  Environment environment = of_torchrun();
  Launch launch = read_launch(environment);
  EXPECT_EQ(launch.launcher, "torchrun");
  EXPECT_EQ(launch.rank, 1);
  EXPECT_EQ(launch.size, 4);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_size, 2);
  EXPECT_EQ(launch.address, "node-a");
  EXPECT_EQ(launch.port, 41234);
  EXPECT_EQ(launch.run, "none.3");
  environment["RANK"] = environment["LOCAL_RANK"] = "0";
  EXPECT_FALSE(read_launch(environment).hosts_store);  // the agent does
  environment.erase("TORCHELASTIC_USE_AGENT_STORE");
  EXPECT_TRUE(read_launch(environment).hosts_store);
}

TEST(Launch, ReadsHowLongToWaitForTheStore) {
  Environment environment = of_torchrun();
  EXPECT_EQ(read_launch(environment).patience, 60);
  environment["SOUP_CONNECT_TIMEOUT"] = "900";
  EXPECT_EQ(read_launch(environment).patience, 900);
  environment["SOUP_CONNECT_TIMEOUT"] = "0";
  EXPECT_EQ(read_launch(environment).patience, 1);
  environment["SOUP_CONNECT_TIMEOUT"] = "1 m";
  expect_error<UsageError>([&] { read_launch(environment); },
                           "SOUP_CONNECT_TIMEOUT='1 m': no number from 0 to");
}

TEST(Launch, ReadsVariablesSetByHand) {
  const Launch launch = read_launch({{"RANK", "1"},
                                     {"WORLD_SIZE", "2"},
                                     {"MASTER_ADDR", "localhost"},
                                     {"MASTER_PORT", "29501"}});
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_size, 0);
  EXPECT_EQ(launch.port, 29501);
  EXPECT_FALSE(launch.hosts_store);
}

TEST(Launch, ReadsSlurm) {
  Environment environment = of_slurm();
  Launch launch = read_launch(environment);
  EXPECT_EQ(launch.launcher, "Slurm");
  EXPECT_EQ(launch.size, 4);  // of the step, not of the job
  EXPECT_EQ(launch.address, "gpu008");
  EXPECT_EQ(launch.port, 20000 + (1234567 + 2) % 12000);
  EXPECT_EQ(launch.run, "1234567.2");
  EXPECT_TRUE(launch.hosts_store);
  environment["MASTER_ADDR"] = "10.0.0.1";
  environment["MASTER_PORT"] = "5000";
  launch = read_launch(environment);
  EXPECT_EQ(launch.address, "10.0.0.1");
  EXPECT_EQ(launch.port, 5000);
}

TEST(Launch, AShellOfASlurmJobIsNoLaunch) {
  Environment batch = of_slurm();
  batch.erase("SLURM_STEP_ID");
  batch.erase("SLURM_STEP_NUM_TASKS");
  EXPECT_EQ(read_launch(batch).size, 1);
  Environment interactive = of_slurm();
  interactive["SLURM_STEP_ID"] = "4294967290";
  EXPECT_EQ(read_launch(interactive).size, 1);
}

TEST(Launch, ReadsOpenMpiAlsoInsideASlurmJob) {
  Environment environment = of_open_mpi();
  Launch launch = read_launch(environment);
  EXPECT_EQ(launch.launcher, "Open MPI");
  EXPECT_EQ(launch.rank, 2);
  EXPECT_EQ(launch.address, "127.0.0.1");  // all are on this machine
  EXPECT_EQ(launch.port, 29500);
  // mpirun starts its daemons by srun, whose variables the processes inherit.
  environment.merge(of_slurm());
  launch = read_launch(environment);
  EXPECT_EQ(launch.rank, 2);
  EXPECT_EQ(launch.address, "gpu008");
}

TEST(Launch, ReadsMpich) {
  Environment environment = {{"PMI_RANK", "1"},
                             {"PMI_SIZE", "2"},
                             {"MPI_LOCALRANKID", "0"},
                             {"MPI_LOCALNRANKS", "1"},
                             {"MASTER_ADDR", "node1"}};
  const Launch launch = read_launch(environment);
  EXPECT_EQ(launch.launcher, "MPI");
  EXPECT_EQ(launch.rank, 1);
  EXPECT_EQ(launch.local_rank, 0);
  EXPECT_EQ(launch.local_size, 1);
  EXPECT_EQ(launch.address, "node1");
  EXPECT_EQ(launch.variable, "PMI_RANK");
  environment.erase("MASTER_ADDR");
  EXPECT_EQ(read_launch(environment).address, "");
}

TEST(Launch, WithoutItsSizeItIsOneProcess) {
  for (const Environment& launched :
       {of_torchrun(), of_slurm(), of_open_mpi()}) {
    Environment environment = launched;
    EXPECT_GT(read_launch(environment).size, 1);
    for (const std::string& name : size_variables()) environment.erase(name);
    EXPECT_EQ(read_launch(environment).size, 1);
  }
}

TEST(Launch, RefusesWhatContradictsItself) {
  Environment environment = of_torchrun();
  environment["RANK"] = "4";
  expect_error<UsageError>([&] { read_launch(environment); },
                           "RANK is 4, but WORLD_SIZE 4");
  environment["RANK"] = "one";
  expect_error<UsageError>([&] { read_launch(environment); },
                           "RANK='one': no number");
  environment["RANK"] = "1";
  environment["MASTER_PORT"] = "70000";
  expect_error<UsageError>([&] { read_launch(environment); },
                           "MASTER_PORT='70000'");
}

TEST(Launch, FindsTheFirstHostOfAList) {
  EXPECT_EQ(first_host(""), "");
  EXPECT_EQ(first_host("alpha"), "alpha");
  EXPECT_EQ(first_host("alpha,beta"), "alpha");
  EXPECT_EQ(first_host("node[03-05,9],x1"), "node03");
  EXPECT_EQ(first_host("node[7],x1"), "node7");
  EXPECT_EQ(first_host("r[1-2]n[30-31]-ib"), "r1n30-ib");
  EXPECT_EQ(first_host("node[03"), "node03");
}

}  // namespace
}  // namespace soup
