// nlohmann's functions, optimised, for tests that spend their time in JSON. The linker takes the first copy
// of a template's functions for the whole program, also for what is tested, and a test's own files are not
// optimised.
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

template class nlohmann::basic_json<>;
template class nlohmann::detail::serializer<nlohmann::json>;
template class std::map<std::string, nlohmann::json, std::less<>>;
template class std::vector<nlohmann::json>;
