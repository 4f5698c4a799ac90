#pragma once

namespace slicelet::fiware {

// Each runs one service until the program ends. argc and argv are what follows the program's name.

/// MongoDB's place: a port that opens, and a directory that outlives it.
[[noreturn]] void RunMongo(int argc, char** argv);
/// CrateDB's place, likewise.
[[noreturn]] void RunCrate(int argc, char** argv);
[[noreturn]] void RunOrion(int argc, char** argv);
[[noreturn]] void RunUltraLightAgent(int argc, char** argv);
[[noreturn]] void RunQuantumLeap(int argc, char** argv);
/// Answers /api/health.
[[noreturn]] void RunGrafana(int argc, char** argv);

}  // namespace slicelet::fiware
