/** Kafka 4.2 moved its record classes to this package. That it exists in older releases too lets both import it. */
package org.apache.kafka.common.record.internal;

interface Internal {
}
