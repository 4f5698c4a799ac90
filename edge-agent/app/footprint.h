#pragma once

namespace slicelet::agent {

/// Gives back what only starting up needed: unmaps the program's own read-only pages, of which those in use
/// come back from the page cache one fault at a time, and returns free heap to the kernel. Takes well under a
/// millisecond.
void ForgetStartup();

}  // namespace slicelet::agent
