/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One OpenDHT node, the reference that tools/bench compares with; no part of Holdfast. Its threads
 * are OpenDHT's; this file's own one reads commands, one line each, and answers with a line:
 *
 *   bootstrap ADDRESS     "done"
 *   known                 "known N": nodes that answer
 *   put FIRST COUNT AHEAD       COUNT flows, each a value under its own key, at most AHEAD not done
 *                         yet; "put failed=.. us=.. p50=.. p99=.."
 *   rate FIRST COUNT PER_SECOND the same at that rate
 *   index FIRST COUNT     all of them under the one key of this node as their owner
 *   get FIRST COUNT AHEAD       "get found=.. absent=.. us=.. p50=.. p99=.."; the time until the
 *                         first value, or until all that were asked have none
 *   bulk ADDRESS          what the key of that owner has; "bulk flows=.. us=.."
 *   cpu                   "cpu MICROSECONDS", all threads
 */
#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <sstream>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include <opendht/dhtrunner.h>

using Clock = std::chrono::steady_clock;

static constexpr in_port_t PORT = 7940;

/* Operations under way and their times. */
class Batch
{
      public:
	void begin(size_t ahead)
	{
		std::unique_lock<std::mutex> lock(mutex);
		changed.wait(lock, [&] { return open < ahead; });
		open++;
	}

	void end(Clock::time_point since, bool success)
	{
		std::lock_guard<std::mutex> lock(mutex);
		auto us =
			std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - since);

		times.push_back(us.count());
		succeeded += success;
		open--;
		changed.notify_one();
	}

	/* "us=.. p50=.. p99=..", when all have ended. */
	std::string finish()
	{
		std::unique_lock<std::mutex> lock(mutex);
		std::ostringstream out;

		changed.wait(lock, [&] { return open == 0; });
		std::sort(times.begin(), times.end());
		out << " us="
		    << std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start)
				.count()
		    << " p50=" << times[times.size() / 2]
		    << " p99=" << times[times.size() * 99 / 100];
		return out.str();
	}

	size_t succeeded = 0;

      private:
	std::mutex mutex;
	std::condition_variable changed;
	size_t open = 0;
	std::vector<long long> times;
	Clock::time_point start = Clock::now();
};

static dht::InfoHash flow_key(uint64_t number)
{
	return dht::InfoHash::get("flow " + std::to_string(number));
}

static dht::InfoHash owner_key(const std::string &address)
{
	return dht::InfoHash::get("owner " + address);
}

/* Owner's address, epoch and version, as a record of ours has them: 32 bytes. */
static std::shared_ptr<dht::Value> value_make(const std::string &owner, uint64_t number)
{
	std::vector<uint8_t> data(32);
	auto value = std::shared_ptr<dht::Value>();

	inet_pton(AF_INET, owner.c_str(), data.data());
	value = std::make_shared<dht::Value>(data);
	value->id = number + 1;
	return value;
}

static std::string put(dht::DhtRunner &node, const std::string &self, uint64_t first, size_t count,
		       size_t ahead, unsigned int rate, bool index)
{
	Batch batch;
	auto start = Clock::now();
	std::string result;

	for (uint64_t number = first; number < first + count; number++) {
		if (rate > 0)
			std::this_thread::sleep_until(
				start +
				std::chrono::microseconds((number - first) * 1000000 / rate));
		batch.begin(ahead);
		auto since = Clock::now();
		node.put(index ? owner_key(self) : flow_key(number), value_make(self, number),
			 [&batch, since](bool success) { batch.end(since, success); });
	}
	result = batch.finish();
	return " failed=" + std::to_string(count - batch.succeeded) + result;
}

static std::string get(dht::DhtRunner &node, uint64_t first, size_t count, size_t ahead)
{
	Batch batch;
	std::string result;

	for (uint64_t number = first; number < first + count; number++) {
		batch.begin(ahead);
		auto since = Clock::now();
		auto ended = std::make_shared<bool>(false);
		node.get(
			flow_key(number),
			[&batch, since,
			 ended](const std::vector<std::shared_ptr<dht::Value>> &values) {
				if (values.empty() || *ended)
					return !*ended;
				*ended = true;
				batch.end(since, true);
				return false;
			},
			[&batch, since, ended](bool) {
				if (!*ended)
					batch.end(since, false);
				*ended = true;
			});
	}
	result = batch.finish();
	return " found=" + std::to_string(batch.succeeded) +
	       " absent=" + std::to_string(count - batch.succeeded) + result;
}

static std::string bulk(dht::DhtRunner &node, const std::string &owner)
{
	std::mutex mutex;
	std::condition_variable changed;
	std::vector<dht::Value::Id> ids;
	auto start = Clock::now();
	bool done = false;

	node.get(
		owner_key(owner),
		[&](const std::vector<std::shared_ptr<dht::Value>> &values) {
			std::lock_guard<std::mutex> lock(mutex);
			for (auto &value : values)
				ids.push_back(value->id);
			return true;
		},
		[&](bool) {
			std::lock_guard<std::mutex> lock(mutex);
			done = true;
			changed.notify_one();
		});
	std::unique_lock<std::mutex> lock(mutex);
	changed.wait(lock, [&] { return done; });
	std::sort(ids.begin(), ids.end());
	ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
	return " flows=" + std::to_string(ids.size()) + " us=" +
	       std::to_string(
		       std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start)
			       .count());
}

static long long cpu_us()
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000LL +
	       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

int main(int argc, char **argv)
{
	dht::DhtRunner::Config config;
	dht::DhtRunner node;
	std::string line;

	if (argc != 2) {
		std::cerr << "usage: opendht_node ADDRESS" << std::endl;
		return 2;
	}
	/* What its defaults would hold it back with: requests a second, searches, sizes. */
	config.dht_config.node_config.network = 0x4846;
	config.dht_config.node_config.max_req_per_sec = -1;
	config.dht_config.node_config.max_peer_req_per_sec = -1;
	config.dht_config.node_config.max_searches = -1;
	config.dht_config.node_config.max_store_size = -1;
	config.dht_config.node_config.max_store_keys = -1;
	config.dht_config.node_config.public_stable = true;
	node.run(PORT, config);
	std::cout << "ready" << std::endl;
	while (std::getline(std::cin, line)) {
		std::istringstream words(line);
		std::string command, address;
		uint64_t first = 0;
		size_t count = 0, third = 1;

		words >> command;
		if (command == "bootstrap" || command == "bulk")
			words >> address;
		else
			words >> first >> count >> third;
		if (command == "bootstrap") {
			node.bootstrap(dht::SockAddr::resolve(address, std::to_string(PORT)));
			std::cout << "done" << std::endl;
		} else if (command == "known") {
			std::cout << "known " << node.getNodesStats(AF_INET).good_nodes
				  << std::endl;
		} else if (command == "put") {
			std::cout << "put" << put(node, argv[1], first, count, third, 0, false)
				  << std::endl;
		} else if (command == "rate") {
			std::cout << "rate"
				  << put(node, argv[1], first, count, SIZE_MAX,
					 static_cast<unsigned int>(third), false)
				  << std::endl;
		} else if (command == "index") {
			std::cout << "index" << put(node, argv[1], first, count, 64, 0, true)
				  << std::endl;
		} else if (command == "get") {
			std::cout << "get" << get(node, first, count, third) << std::endl;
		} else if (command == "bulk") {
			std::cout << "bulk" << bulk(node, address) << std::endl;
		} else if (command == "cpu") {
			std::cout << "cpu " << cpu_us() << std::endl;
		} else {
			std::cout << "what? " << line << std::endl;
		}
	}
	node.join();
	return 0;
}
