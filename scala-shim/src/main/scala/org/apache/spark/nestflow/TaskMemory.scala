package org.apache.spark.nestflow

import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicLong
import org.apache.spark.{SparkEnv, TaskContext}
import org.apache.spark.memory.{MemoryConsumer, MemoryMode}

/**
 * What native code borrows of Spark's off-heap memory for one task. Native threads call `acquire` and
 * `release`; `unused` asks native code for what it has borrowed and not taken, and never waits. */
final class TaskMemory(context: TaskContext, unused: () => Long)
    extends MemoryConsumer(context.taskMemoryManager(), MemoryMode.OFF_HEAP) {

  private val held = new AtomicLong
  private val waiting = ConcurrentHashMap.newKeySet[Thread]
  private val owner = Thread.currentThread
  @volatile private var closed = false

  /** Borrows up to so many bytes; may wait for other tasks, until this one is closed. */
  def acquire(bytes: Long): Long = {
    val me = Thread.currentThread
    waiting.add(me)
    try {
      if (closed) return 0
      val granted = taskMemoryManager.acquireExecutionMemory(bytes, this)
      held.addAndGet(granted)
      if (!closed) granted
      else {
        // Whoever closes may have looked just before.
        releaseAll()
        0
      }
    } catch {
      case _: InterruptedException => 0
    } finally {
      waiting.remove(me)
      // `cancel` may have come too late to wake a native thread; nothing else is to be interrupted by it.
      if (closed && (me ne owner)) Thread.interrupted()
    }
  }

  def release(bytes: Long): Unit = {
    // After the end nothing is held that could be given back.
    val before = held.getAndUpdate(now => now - math.min(now, bytes))
    taskMemoryManager.releaseExecutionMemory(math.min(before, bytes), this)
  }

  override def getUsed: Long = held.get

  /** Called inside Spark's lock, perhaps while a native thread waits for that lock. */
  override def spill(size: Long, trigger: MemoryConsumer): Long =
    if (trigger eq this) 0 // its own growth will be refused
    else {
      val bytes = unused()
      release(bytes)
      bytes
    }

  /** Nobody waits here any more, and nobody gets anything. */
  def cancel(): Unit = {
    closed = true
    waiting.forEach(thread => if (thread ne Thread.currentThread) thread.interrupt())
  }

  /** Gives everything back. */
  def close(): Unit = {
    cancel()
    releaseAll()
  }

  private def releaseAll(): Unit = taskMemoryManager.releaseExecutionMemory(held.getAndSet(0), this)
}

object TaskMemory {
  /** Off-heap memory of this process that tasks have now, ours and others'. */
  def used: Long = SparkEnv.get.memoryManager.offHeapExecutionMemoryUsed
}
